"""The tables for people, in Markdown. Pure."""

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

from benchmarks.peers.results import Document, System


class Column(NamedTuple):
    """A column: its head, the figure's name, how it is written, and whether more is better."""

    head: str
    figure: str
    text: str
    more_is_better: bool

    def better(self, value: float, other: float) -> bool:
        return value > other if self.more_is_better else value < other


#: The tables: what each is about, and the kinds of figure in it. A figure's name is `kind` or `kind@number`.
TABLES = (
    ("A backlog drained", ("drain_per_s", "cpu_us")),
    ("Enqueueing, latency, idling", ("single_per_s", "bulk_per_s", "start_p50_ms", "start_p99_ms", "idle_per_s")),
    ("Seconds until a killed process's job runs again", ("process_s", "worker_s")),
)
#: A system is called better where it is so by more than this: less is noise.
MARGIN = 1.05


def column_of(figure: str) -> Column | None:
    """Returns the column of a figure, None for one that is shown in no table."""
    kind, _, detail = figure.partition("@")
    count = f"{int(detail):,}" if detail else ""
    heads = {
        "drain_per_s": (f"{count} jobs: /s", "{:,.0f}", True),
        "cpu_us": (f"{count} jobs: CPU µs a job", "{:,.0f}", False),
        "single_per_s": ("one by one: /s", "{:,.0f}", True),
        "bulk_per_s": ("in bulk: /s", "{:,.0f}", True),
        "start_p50_ms": (f"start at {count}/s: p50 ms", "{:.1f}", False),
        "start_p99_ms": (f"start at {count}/s: p99 ms", "{:.1f}", False),
        "idle_per_s": (f"idle, {count} processes: statements/s", "{:.2f}", False),
        "process_s": ("that process killed", "{:.1f}", False),
        "worker_s": ("all of its worker killed", "{:.1f}", False),
    }
    if kind not in heads:
        return None
    head, text, more = heads[kind]
    return Column(head, figure, text, more)


def tables(document: Document) -> str:
    """Returns all tables: medians over the rounds, the best of each column in bold."""
    parts = []
    for title, kinds in TABLES:
        columns = [column for kind in kinds for column in _columns(document, kind)]
        if columns:
            parts.append(f"**{title}**\n\n{_table(document, columns)}")
    return "\n".join(parts)


def ratios(document: Document, name: str, *, rounds_min: int = 1) -> str:
    """Returns a line for each figure and other system: the named one's value over the other's.

    It is the median of the ratios within each round, and their range: within a round the two met the same machine more
    nearly than in different ones. Figures of fewer rounds than `rounds_min` are left out.
    """
    ours = document.system(name)
    lines = []
    for column in _all_columns(document):
        for other in document.systems:
            pairs = _pairs(ours, other, column.figure) if ours and other is not ours else []
            if pairs and len(pairs) >= rounds_min:
                span = f" ({min(pairs):.2f} to {max(pairs):.2f})" if len(pairs) > 1 else ""
                word = "better" if column.better(statistics.median(pairs), 1) else "worse"
                lines.append(f"{column.head}: {statistics.median(pairs):.2f}{span} × {other.title}'s, {word}")
    return "\n".join(lines)


def better(document: Document, name: str) -> str:
    """Returns a list of where others are better than the named system, by more than five in a hundred."""
    ours = document.system(name)
    lines = []
    for column in _all_columns(document):
        mine = ours.median(column.figure) if ours else None
        if mine is None:
            continue
        found = [
            f"{system.title} {column.text.format(value)}"
            for system in document.systems
            if (value := system.median(column.figure)) is not None
            and column.better(value, mine)
            and max(value, mine) > MARGIN * min(value, mine)
        ]
        if found:
            lines.append(f"- {column.head}: {', '.join(found)}; Currant {column.text.format(mine)}")
    return "\n".join(lines) + "\n" if lines else "- nowhere in these figures\n"


def _all_columns(document: Document) -> list[Column]:
    return [column for _, kinds in TABLES for kind in kinds for column in _columns(document, kind)]


def _columns(document: Document, kind: str) -> list[Column]:
    figures = {figure for system in document.systems for figure in system.figures}
    chosen = sorted(
        (figure for figure in figures if figure.partition("@")[0] == kind),
        key=lambda figure: int(figure.partition("@")[2] or 0),
    )
    return [column for figure in chosen if (column := column_of(figure))]


def _table(document: Document, columns: Sequence[Column]) -> str:
    best = {column.figure: _best(document.systems, column) for column in columns}
    lines = ["| | " + " | ".join(column.head for column in columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for system in document.systems:
        values = [(system.median(column.figure), column) for column in columns]
        if any(value is not None for value, _ in values):
            cells = [_cell(value, column, best[column.figure], document.wait_s) for value, column in values]
            lines.append(f"| {system.title} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _best(systems: Sequence[System], column: Column) -> float:
    values = [value for system in systems if (value := system.median(column.figure)) is not None]
    return max(values) if column.more_is_better else min(values)


def _cell(value: float | None, column: Column, best: float, wait_s: float) -> str:
    if value is None:
        return "–"
    if value == math.inf:
        return f"over {wait_s:g}"
    text = column.text.format(value)
    return f"**{text}**" if value == best else text


def _pairs(ours: System, other: System, figure: str) -> list[float]:
    both = zip(ours.figures.get(figure, []), other.figures.get(figure, []), strict=False)
    return [mine / theirs for mine, theirs in both if mine and theirs]
