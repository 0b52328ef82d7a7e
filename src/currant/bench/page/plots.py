"""A run's plots as data: the page's script draws them."""

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate

import msgspec
from msgspec.structs import replace

from currant.bench.page.numbers import per_s, share, short
from currant.bench.results import Bucket, Percentiles, Run, Series

#: A plot of this size shows no more points; a longer series is thinned.
POINTS_MAX = 240
#: Fewer show no course.
PARTS_MIN = 3
#: Up to so many children have a line each; more become a heat map.
CHILD_LINES_MAX = 6
HEAT_POINTS_MAX = 120

#: Since the run's begin.
SECONDS = "seconds"


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line; None where it has no value. `colour` is a place in the palette of page.css."""

    label: str
    ys: list[float | None]
    colour: int = 1
    dash: bool = False
    dots: bool = False
    area: bool = False


class Mark(msgspec.Struct, frozen=True):
    """A straight line across the plot at a value of `axis`, `x` or `y`, with words."""

    axis: str
    at: float
    label: str


class Plot(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A plot. `summary` says what is to be seen, for who cannot see it.

    `kind`: `lines`; `buckets`, bars that end at the values of `xs`; or `heat`, `rows` of percents, by child.
    `x_scale`: `linear`; `log`; or `percentile`, where x is 1 / (1 − p).
    """

    kind: str = "lines"
    title: str
    summary: str
    x_label: str = SECONDS
    x_scale: str = "linear"
    y_label: str
    y_scale: str = "linear"
    #: At least so high, however low the lines are.
    y_max: float | None = None
    xs: list[float]
    lines: list[Line] = []
    marks: list[Mark] = []
    rows: dict[str, list[float | None]] = {}
    #: Plots of the same name show the cursor at the same moment.
    together: str | None = None


def of_run(run: Run, together: str) -> list[Plot]:
    """Returns the plots for which the run has data.

    Args:
        together: a name for the run's plots over time, of its own on the page.
    """
    series = run.series if run.series and len(run.series.at_s) >= PARTS_MIN else None
    throughput, work, latencies = [], [], [*_spectrum(run), *_histogram(run)]
    if series:
        latencies = [*_latency(run, series), *latencies]
        work = [*_utilization(run, series), _statements(series)]
        if run.completed:
            throughput, work = [_throughput(run, series)], [_in_flight(series), *work]
    # Of a backlog latencies say how long it was: they come last.
    plots = [*throughput, *work, *latencies] if run.backlogged else [*throughput, *latencies, *work]
    return [replace(plot, together=together) if plot.x_label == SECONDS else plot for plot in plots]


def _throughput(run: Run, series: Series) -> Plot:
    lines = [Line("completed/s", _thin(series.completed_per_s), area=True)]
    floor = run.floor
    if floor:
        lines.append(Line("SQL floor", [_figures(floor.per_s)] * len(lines[0].ys), colour=2, dash=True))
    if run.rate_per_s:
        lines.append(Line("asked for", [run.rate_per_s] * len(lines[0].ys), colour=3, dash=True))
    spread = run.throughput_spread
    summary = per_s(run.throughput_per_s) + (
        f", {per_s(spread.p5)} to {per_s(spread.p95)} in 90 % of the time" if spread else ""
    )
    against = f"; the SQL floor is {per_s(floor.per_s)}" if floor else ""
    return Plot(
        title="Throughput over time",
        summary=summary + against,
        y_label="jobs/s",
        xs=_thin_ends(series.at_s),
        lines=lines,
    )


def _latency(run: Run, series: Series) -> Iterable[Plot]:
    # Joined parts show their highest: a mean of p99s would hide what the plot is for.
    p50s, p99s = _thin(series.p50_ms, max), _thin(series.p99_ms, max)
    known = [value for value in p99s if value is not None]
    if not known:
        return
    yield Plot(
        title=f"{_what(run)} over time",
        summary=f"p99 between {short(min(known))} and {short(max(known))} ms",
        y_label="ms",
        xs=_thin_ends(series.at_s),
        lines=[Line("p50", p50s), Line("p99", p99s, colour=2)],
    )


def _spectrum(run: Run) -> Iterable[Plot]:
    lines = {
        "in the backlog" if run.backlogged else "to completed": (_points(run.complete_ms, run.histogram), 1),
        "to started": (_points(run.start_ms, []), 3),
    }
    lines = {label: line for label, line in lines.items() if len(line[0]) > 1}
    if not lines:
        return
    xs = sorted({x for points, _ in lines.values() for x in points})
    yield Plot(
        title=f"{_what(run)} by percentile",
        summary=_in_words(run.complete_ms),
        x_label="percentile",
        x_scale="percentile",
        y_label="ms",
        xs=xs,
        lines=[
            # Dots where there is little else: between them nothing was counted.
            Line(label, [points.get(x) for x in xs], colour=colour, dots=len(points) < 8)
            for label, (points, colour) in lines.items()
        ],
    )


def _histogram(run: Run) -> Iterable[Plot]:
    buckets = run.histogram
    if len(buckets) < 2:
        return
    most = max(range(len(buckets)), key=lambda place: buckets[place].count)
    above = f"{short(buckets[most - 1].up_to_ms)} to " if most else "at most "
    total = sum(bucket.count for bucket in buckets) or 1
    yield Plot(
        kind="buckets",
        title=f"{_what(run)}: how many took how long",
        summary=f"{share(buckets[most].count / total)} took {above}{short(buckets[most].up_to_ms)} ms",
        x_label="ms",
        x_scale="log",
        y_label="jobs",
        xs=[_figures(bucket.up_to_ms) for bucket in buckets],
        lines=[Line("jobs", [bucket.count for bucket in buckets], area=True)],
    )


def _in_flight(series: Series) -> Plot:
    return Plot(
        title="In flight",
        summary=f"at most {math.ceil(max(series.in_flight, default=0)):,} claimed and not completed",
        y_label="executions",
        xs=_thin_ends(series.at_s),
        lines=[Line("in flight", _thin(series.in_flight), colour=3, area=True)],
    )


def _statements(series: Series) -> Plot:
    mean = sum(series.statements_per_s) / max(1, len(series.statements_per_s))
    return Plot(
        title="Statements per second",
        summary=f"{per_s(mean)} on average",
        y_label="statements/s",
        xs=_thin_ends(series.at_s),
        lines=[Line("statements/s", _thin(series.statements_per_s), colour=4, area=True)],
    )


def _utilization(run: Run, series: Series) -> Iterable[Plot]:
    most = POINTS_MAX if len(series.utilization) <= CHILD_LINES_MAX else HEAT_POINTS_MAX
    children = {
        child: _thin([100 * each for each in values], most=most) for child, values in sorted(series.utilization.items())
    }
    highest = max((each for values in children.values() for each in values if each is not None), default=0)
    if not highest:
        return
    plot = Plot(
        title="Utilization per child",
        summary=f"{share(run.utilization)} of the slots' time over {len(children)} children",
        y_label="% busy",
        # Jobs that take no time keep nobody busy: what there is would not be seen on a scale up to 100.
        y_max=next(top for top in (0.01, 0.1, 1, 5, 20, 100, highest) if highest <= top),
        xs=_thin_ends(series.at_s, most),
    )
    if len(children) <= CHILD_LINES_MAX:
        lines = [Line(f"child {child}", values, at) for at, (child, values) in enumerate(children.items(), 1)]
        yield replace(plot, lines=lines)
    else:
        # A shade has no digits behind the point, unless all are that small.
        digits = 0 if highest > 5 else 3
        rows = {str(child): [each and _figures(round(each, digits)) for each in ys] for child, ys in children.items()}
        yield replace(plot, kind="heat", y_label="% busy by child", rows=rows)


def _what(run: Run) -> str:
    return "Time in the backlog" if run.backlogged else "Latency"


def _in_words(latency: Percentiles | None) -> str:
    if latency is None:
        return "intended to completed"
    return f"p50 {short(latency.p50)} ms, p99 {short(latency.p99)} ms, at most {short(latency.max)} ms"


def _points(latency: Percentiles | None, buckets: list[Bucket]) -> dict[float, float]:
    """Returns latencies by 1 / (1 − p): the percentiles, and what share is within each bucket's bound."""
    if latency is None or latency.count < 1:
        return {}
    known = {2: latency.p50, 10: latency.p90, 20: latency.p95, 100: latency.p99, 1000: latency.p999}
    points = {float(x): ms for x, ms in known.items() if x < latency.count}
    total = sum(bucket.count for bucket in buckets)
    for bucket, within in zip(buckets, accumulate(bucket.count for bucket in buckets), strict=True):
        if bucket.count and within < total:
            points.setdefault(_figures(total / (total - within)), bucket.up_to_ms)
    # The slowest of all stands where the last one of so many does.
    points[float(latency.count)] = latency.max
    return {x: _figures(ms) for x, ms in sorted(points.items())}


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _thin(
    values: Sequence[float | None], keep: Callable[[Sequence[float]], float] = _mean, most: int = POINTS_MAX
) -> list[float | None]:
    """Returns the values, neighbours joined where there are too many; numbers of four figures."""
    return [None if value is None else _figures(value) for value in _joined(values, most, keep)]


def _joined(values: Sequence[float | None], most: int, keep: Callable[[Sequence[float]], float]) -> list[float | None]:
    parts = _parts(len(values), most)
    groups = ([each for each in values[at : at + parts] if each is not None] for at in range(0, len(values), parts))
    return [keep(group) if group else None for group in groups]


def _thin_ends(at_s: Sequence[float], most: int = POINTS_MAX) -> list[float]:
    parts = _parts(len(at_s), most)
    return [_figures(at_s[min(at + parts, len(at_s)) - 1]) for at in range(0, len(at_s), parts)]


def _parts(count: int, most: int) -> int:
    return max(1, math.ceil(count / most))


def _figures(value: float) -> float:
    """Returns the value with four figures, as a whole number where it is one: shorter in the page."""
    rounded = float(f"{value:.4g}")
    return int(rounded) if rounded.is_integer() else rounded
