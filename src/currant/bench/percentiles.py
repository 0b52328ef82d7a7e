"""From latencies and moments to what is shown of them. Pure; latencies are in milliseconds, moments in Unix time."""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import pairwise

from currant.bench.results import Bucket, Percentiles, Spread

#: The bounds of a histogram's buckets within a decade; the same for every run, so that two can be laid side by side.
_STEPS = (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)
#: Of a rate's parts: as many as there are seconds, and at least so many.
_PARTS_MIN = 10


def percentiles(latencies_ms: Sequence[float]) -> Percentiles | None:
    """Returns the percentiles, each of which is one of the latencies; None without any."""
    if not latencies_ms:
        return None
    ordered = sorted(latencies_ms)
    return Percentiles(
        count=len(ordered),
        p50=_at(ordered, 0.5),
        p90=_at(ordered, 0.9),
        p95=_at(ordered, 0.95),
        p99=_at(ordered, 0.99),
        p999=_at(ordered, 0.999),
        max=ordered[-1],
        mean=math.fsum(ordered) / len(ordered),
    )


def histogram(latencies_ms: Sequence[float]) -> list[Bucket]:
    """Returns the buckets from the first with a latency to the last, on a logarithmic scale, empty ones between."""
    if not latencies_ms:
        return []
    ordered = sorted(latencies_ms)
    bounds = [_bound_below(ordered[0])]
    while bounds[-1] < ordered[-1]:
        bounds.append(_bound_after(bounds[-1]))
    below = [0, *(bisect_right(ordered, bound) for bound in bounds)]
    buckets = [Bucket(bound, count - before) for bound, (before, count) in zip(bounds, pairwise(below), strict=True)]
    return buckets if buckets[0].count else buckets[1:]


def spread(moments_s: Sequence[float], begin_s: float, end_s: float) -> Spread | None:
    """Returns how a rate varied: `moments_s`, in order, are those of what is counted. None where no time went by."""
    seconds = end_s - begin_s
    if seconds <= 0:
        return None
    parts = max(_PARTS_MIN, int(seconds))
    part_s = seconds / parts
    edges = [bisect_left(moments_s, begin_s + part_s * number) for number in range(parts)]
    edges.append(bisect_right(moments_s, end_s))
    rates = sorted((after - before) / part_s for before, after in pairwise(edges))
    return Spread(p5=_at(rates, 0.05), p50=_at(rates, 0.5), p95=_at(rates, 0.95), parts=parts, part_s=part_s)


def course(
    moments_s: Sequence[float], latencies_ms: Sequence[float], edges_s: Sequence[float]
) -> list[Percentiles | None]:
    """Returns the percentiles of each part between two edges.

    Args:
        moments_s: in order, the moment of each latency's end.
        edges_s: in order; a part is after its first edge, up to its last.
    """
    places = [bisect_right(moments_s, edge) for edge in edges_s]
    return [percentiles(latencies_ms[before:after]) for before, after in pairwise(places)]


def _at(ordered: Sequence[float], share: float) -> float:
    """Returns the smallest value that at least so large a share of all is not above."""
    return ordered[max(0, math.ceil(share * len(ordered) - 1e-9) - 1)]


def _bound_below(value: float) -> float:
    """Returns the greatest bound that is at most the value, or the least of all."""
    value = max(value, 0.001)
    bounds = _bounds(math.floor(math.log10(value)))
    return max((bound for bound in bounds if bound <= value), default=bounds[0])


def _bound_after(bound: float) -> float:
    exponent = math.floor(math.log10(bound) + 1e-9)
    return next((each for each in _bounds(exponent) if each > bound), _bounds(exponent + 1)[0])


def _bounds(exponent: int) -> list[float]:
    """Returns the bounds of one decade, as they are written."""
    return [float(f"{step}e{exponent}") for step in _STEPS]
