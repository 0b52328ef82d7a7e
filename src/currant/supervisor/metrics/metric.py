"""What is said of a metric: enough to export it, and to document it."""

import enum
from typing import NamedTuple


class Kind(enum.StrEnum):
    """The types of Prometheus."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    INFO = "info"


class Metric(NamedTuple):
    """One metric: `name` as it is exported (a histogram's without its suffixes), `query` an example in PromQL."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    unit: str
    meaning: str
    query: str


class Section(NamedTuple):
    """Metrics that belong together."""

    title: str
    about: str
    metrics: tuple[Metric, ...]
