"""What a Prometheus answers to the dashboard's queries."""

import json
import re
import urllib.parse
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

#: Grafana's variables, for a job with the name of the example, all of its nodes and queues.
_VARIABLES = {"$job": "currant", "$node": ".*", "$queue": ".*"}


@dataclass(frozen=True)
class Span:
    """A time in Unix seconds, and how far apart its values are; `rate_interval` is Grafana's `$__rate_interval`."""

    start: float
    end: float
    step: float
    rate_interval: str

    def times(self) -> list[float]:
        """Returns the moments for which there are values."""
        return [self.start + index * self.step for index in range(int((self.end - self.start) / self.step) + 1)]


@dataclass(frozen=True)
class Series:
    """Values at all moments of a span, NaN where there is none."""

    labels: dict[str, str]
    values: Sequence[float]

    def name(self, legend: str) -> str:
        """Returns the legend with the labels' values in it."""
        return re.sub(r"{{(\w+)}}", lambda found: self.labels.get(found[1], ""), legend)


def instant(address: str, query: str, interval: str, at: float | None = None) -> list[tuple[dict[str, str], float]]:
    """Returns the series that the query has at the moment, or at another, as labels and value.

    Raises:
        OSError: Prometheus does not answer, or refuses the query.
    """
    moment = {} if at is None else {"time": str(at)}
    found = _ask(address, "query", {"query": _interpolated(query, interval), **moment})
    return [(one["metric"], float(one["value"][1])) for one in found]


def over(address: str, query: str, span: Span) -> list[Series]:
    """Returns the series that the query has over a span.

    Raises:
        OSError: Prometheus does not answer, or refuses the query.
    """
    times = span.times()
    asked = {"start": str(span.start), "end": str(times[-1]), "step": str(span.step)}
    found = _ask(address, "query_range", {"query": _interpolated(query, span.rate_interval), **asked})
    series = []
    for one in found:
        values = {round((float(at) - span.start) / span.step): float(value) for at, value in one["values"]}
        series.append(Series(one["metric"], [values.get(index, float("nan")) for index in range(len(times))]))
    return series


def _interpolated(query: str, rate_interval: str) -> str:
    for variable, value in {**_VARIABLES, "$__rate_interval": rate_interval}.items():
        query = query.replace(variable, value)
    return query


def _ask(address: str, what: str, asked: dict[str, str]) -> list[Any]:
    url = f"{address}/api/v1/{what}?{urllib.parse.urlencode(asked)}"
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 – the address is the caller's own
        found: list[Any] = json.load(answer)["data"]["result"]
    return found
