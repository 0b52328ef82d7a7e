"""Bars and dots: made of markup, for what needs no axis of time, so that they show and print without a script."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from currant.bench.page.markup import Html, element
from currant.bench.page.numbers import counted, per_s, short, size
from currant.bench.results import Memory, Run

Format = Callable[[float], str]


class Bar(NamedTuple):
    """A bar of parts, in the order of the chart's names; None: not known."""

    label: str
    parts: Sequence[float | None]


def chart(title: str, names: Sequence[str], bars: Sequence[Bar], show: Format) -> Html | None:
    """Returns a chart of lying bars to one scale, with the sum at each; None where there is nothing to show.

    Args:
        names: of the parts; with more than one there is a legend.
        show: how a value is written.
    """
    sums = [sum(part or 0 for part in bar.parts) for bar in bars]
    whole = max(sums, default=0)
    if whole <= 0:
        return None
    lines = []
    for bar, total in zip(bars, sums, strict=True):
        parts = [
            element("i", class_=f"fill c{at}", style=f"width:{100 * part / whole:.2f}%", title=f"{name}: {show(part)}")
            for at, (name, part) in enumerate(zip(names, bar.parts, strict=True), 1)
            if part
        ]
        words = ", ".join(
            f"{name} {show(part)}" for name, part in zip(names, bar.parts, strict=True) if part is not None
        )
        lines += [
            element("span", bar.label, class_="label"),
            element("span", *parts, class_="bar", role="img", aria_label=words),
            element("span", show(total), class_="n"),
        ]
    legend = [element("li", element("i", class_=f"key fill c{at}"), name) for at, name in enumerate(names, 1)]
    return element(
        "figure",
        element("figcaption", title),
        element("ul", *legend, class_="legend") if len(names) > 1 else None,
        element("div", *lines, class_="bars"),
        class_="plot",
    )


def dots(values: Sequence[float], median: float, show: Format) -> Html:
    """Returns each repetition as a dot on a line from the smallest to the largest, the median as a stroke."""
    low, high = min([*values, median]), max([*values, median])

    def left(value: float) -> str:
        return f"left:{50 if high == low else 100 * (value - low) / (high - low):.1f}%"

    return element(
        "span",
        element("span", show(low), class_="n"),
        element(
            "span",
            *(element("i", class_="dot", style=left(value), title=show(value)) for value in values),
            element("i", class_="median", style=left(median), title=f"median {show(median)}"),
            class_="strip",
            role="img",
            aria_label=", ".join(show(value) for value in values) + f"; median {show(median)}",
        ),
        element("span", show(high)),
        class_="dots",
    )


def of_runs(runs: Sequence[Run]) -> list[Html]:
    """Returns what the runs cost: CPU of each, and memory of each number of workers, on which it depends."""
    cpus = [(run.label, run.cpu_s_per_1000) for run in runs]
    peaks: dict[int, Memory] = {}
    for run in runs:
        if run.memory:
            peaks[run.workers] = max(peaks.get(run.workers, run.memory), run.memory, key=_whole)
    charts = [
        chart(
            "CPU milliseconds per 1,000 jobs",
            ["supervisor", "children", "Postgres", "bench (not counted in the figures)"],
            [Bar(label, (cpu.supervisor, cpu.children, cpu.postgres, cpu.bench)) for label, cpu in cpus if cpu],
            lambda seconds: f"{short(1000 * seconds)} ms",
        ),
        chart(
            "Memory, peaks",
            ["supervisor", "fork server", "children"],
            [
                Bar(counted(workers, "worker"), (it.supervisor, it.fork_server, it.children))
                for workers, it in sorted(peaks.items())
            ],
            size,
        ),
    ]
    return [each for each in charts if each]


def _whole(memory: Memory) -> int:
    return memory.supervisor + memory.fork_server + memory.children


def of_phases(runs: Sequence[Run]) -> list[Html]:
    """Returns what each step of the mode `phases` came to: its drain, its paced run, and its stretch without work."""
    drains = [Bar(_step(run), [run.throughput_per_s]) for run in runs if run.backlogged]
    paced = [Bar(_step(run), [run.complete_ms.p99]) for run in runs if run.rate_per_s and run.complete_ms]
    idle = [Bar(_step(run), [sum(each.per_s for each in run.statements)]) for run in runs if not run.enqueued]
    charts = [
        chart("Throughput of a drain", ["throughput"], drains, per_s),
        chart("p99 from intended to completed", ["p99"], paced, lambda value: f"{short(value)} ms"),
        chart("Statements while idle", ["statements"], idle, per_s),
    ]
    return [each for each in charts if each]


def _step(run: Run) -> str:
    return run.label.rpartition(": ")[0] or run.label
