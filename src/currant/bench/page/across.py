"""A section's plots: how its runs compare."""

from collections.abc import Iterable

from currant.bench.page.numbers import per_s, short
from currant.bench.page.plots import Line, Mark, Plot
from currant.bench.results import Percentiles, Section


def of_section(section: Section) -> list[Plot]:
    """Returns the plots that the section's mode has, if any."""
    plot = {"sweep": _sweep, "scale": _scale, "ramp": _ramp}.get(section.mode)
    return list(plot(section)) if plot else []


def _sweep(section: Section) -> Iterable[Plot]:
    """Of a rate that was tried twice the better one counts, as it does in the search for the knee."""
    found: dict[float, Percentiles] = {}
    for run in section.runs:
        if run.rate_per_s and run.complete_ms:
            known = found.get(run.rate_per_s, run.complete_ms)
            found[run.rate_per_s] = min(known, run.complete_ms, key=lambda each: each.p99)
    if len(found) < 2:
        return
    rates = sorted(found)
    latencies = [found[rate] for rate in rates]
    knee = section.figures.get("knee_per_s")
    limit = next((run.extra["p99_limit_ms"] for run in section.runs if "p99_limit_ms" in run.extra), None)
    yield Plot(
        title="p99 by rate",
        summary=f"the knee is at {per_s(knee)}" if knee else "no rate kept the limit",
        x_label="jobs/s asked for",
        y_label="ms",
        y_scale="log",
        xs=rates,
        lines=[
            Line("p50", [latency.p50 for latency in latencies], colour=1, dots=True),
            Line("p99", [latency.p99 for latency in latencies], colour=2, dots=True),
        ],
        marks=[
            *([Mark("x", knee, f"knee {per_s(knee)}")] if knee else []),
            *([Mark("y", limit, f"limit {short(limit)} ms")] if limit else []),
        ],
    )


def _scale(section: Section) -> Iterable[Plot]:
    runs = {run.workers: run for run in sorted(section.runs, key=lambda run: run.workers)}
    if len(runs) < 2:
        return
    fewest = min(runs)
    unit = runs[fewest].throughput_per_s / fewest
    yield Plot(
        title="Throughput by workers",
        summary=", ".join(f"{workers}: {per_s(run.throughput_per_s)}" for workers, run in runs.items()),
        x_label="workers",
        y_label="jobs/s",
        xs=list(runs),
        lines=[
            Line("throughput", [run.throughput_per_s for run in runs.values()], dots=True),
            Line("ideal", [unit * workers for workers in runs], colour=2, dash=True),
        ],
    )


def _ramp(section: Section) -> Iterable[Plot]:
    """No node runs there: what was found is in the section's own table, whose first column is the backlog."""
    columns = [at for at, name in enumerate(section.head) if at and name.endswith(" ms")]
    points = [[_number(row[at]) for at in (0, *columns)] for row in section.rows if len(row) == len(section.head)]
    whole = sorted(numbers for point in points if len(numbers := [x for x in point if x is not None]) == len(point))
    if len(whole) < 2 or not columns:
        return
    yield Plot(
        title="What a claim costs by backlog",
        summary=section.answer,
        x_label="pending executions",
        x_scale="log",
        y_label="ms",
        xs=[point[0] for point in whole],
        lines=[
            Line(section.head[column].removesuffix("ms").rstrip(":, "), [point[at] for point in whole], at, dots=True)
            for at, column in enumerate(columns, 1)
        ],
    )


def _number(text: str) -> float | None:
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return None
