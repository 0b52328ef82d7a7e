"""From a metric to a family of prometheus-client. Its samples may come lazily: many are read a piece at a time."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import prometheus_client
from prometheus_client.samples import Sample
from prometheus_client.utils import floatToGoString

from currant.supervisor.metrics.metric import Kind, Metric

#: What is handed to prometheus-client.
Family = prometheus_client.Metric

_SUFFIXES = {Kind.COUNTER: "_total", Kind.INFO: "_info"}


class Buckets(NamedTuple):
    """One histogram: its labels' values; how many were in each bucket, the last above all bounds; and their sum."""

    labels: tuple[str, ...]
    counts: Sequence[int]
    sum: float


def family(metric: Metric, rows: Iterable[tuple[tuple[str, ...], float]]) -> Family:
    """Returns the metric with samples: each row has the labels' values, in their order, and the sample's own."""
    names = metric.labels
    return _made(metric, (Sample(metric.name, dict(zip(names, values, strict=True)), value) for values, value in rows))


def single(metric: Metric, value: float | None) -> Family:
    """Returns the metric with one sample that has no labels, or none."""
    return family(metric, () if value is None else [((), value)])


def histogram(metric: Metric, rows: Iterable[Buckets], bounds: Sequence[float]) -> Family:
    """Returns the metric with histograms; `bounds`: those between the buckets."""
    les = [*map(floatToGoString, bounds), "+Inf"]

    def samples() -> Iterator[Sample]:
        for row in rows:
            labels = dict(zip(metric.labels, row.labels, strict=True))
            below = 0
            for le, count in zip(les, row.counts, strict=True):
                below += count
                yield Sample(f"{metric.name}_bucket", {**labels, "le": le}, below)
            yield Sample(f"{metric.name}_count", labels, below)
            yield Sample(f"{metric.name}_sum", labels, row.sum)

    return _made(metric, samples())


def _made(metric: Metric, samples: Iterable[Sample]) -> Family:
    made = Family(metric.name.removesuffix(_SUFFIXES.get(metric.kind, "")), metric.meaning, metric.kind)
    # The encoders go through them once, as through a list.
    lazy: Any = samples
    made.samples = lazy
    return made
