"""The figures of all rounds, and the table of them. Pure."""

import math
import statistics
from collections.abc import Mapping, Sequence

import msgspec

from benchmarks.peers.errors import PeersError


class System(msgspec.Struct, kw_only=True):
    """One system, with what each round measured of it: a figure's name, and its values in the order of the rounds."""

    name: str
    title: str
    version: str
    settings: str
    #: None is a job that did not run again within the wait of a crash case.
    figures: dict[str, list[float | None]] = {}
    #: What could not be measured, and why.
    failures: list[str] = []

    def add(self, figures: Mapping[str, float | None]) -> None:
        for name, value in figures.items():
            self.figures.setdefault(name, []).append(value)


class Machine(msgspec.Struct, kw_only=True):
    """Where it was measured."""

    cpu: str
    cores: int
    memory_gib: int
    os: str
    postgres: str
    postgres_where: str
    redis: str | None
    python: str
    #: The 1-minute load before the first round: what others did on the machine.
    load: float


class Document(msgspec.Struct, kw_only=True):
    """The JSON file."""

    format: int = 1
    #: UTC, ISO 8601.
    started: str
    commit: str | None
    command: list[str]
    machine: Machine
    systems: list[System]


class Column(msgspec.Struct, frozen=True):
    """A column of the table: its head, the figure's name, how it is written, and whether more is better."""

    head: str
    figure: str
    text: str
    more_is_better: bool


def columns(names: Sequence[str]) -> list[Column]:
    """Returns the columns for these figures, those that no column is made for left out."""
    return [column for name in names if (column := _column(name))]


def _column(name: str) -> Column | None:
    kind, _, detail = name.partition("@")
    count = f"{int(detail):,}" if detail.isdigit() else ""
    heads = {
        "drain_per_s": (f"drain of {count}: jobs/s", "{:,.0f}", True),
        "cpu_us": (f"drain of {count}: CPU µs a job", "{:,.0f}", False),
        "single_per_s": ("enqueue one by one, /s", "{:,.0f}", True),
        "bulk_per_s": ("enqueue in bulk, /s", "{:,.0f}", True),
        "start_p50_ms": (f"start at {count}/s: p50 ms", "{:.1f}", False),
        "start_p99_ms": (f"start at {count}/s: p99 ms", "{:.1f}", False),
        "idle_per_s": (f"idle, {count} processes: /s", "{:.2f}", False),
        "process_s": ("killed process: job runs again after s", "{:.1f}", False),
        "worker_s": ("killed worker: job runs again after s", "{:.1f}", False),
    }
    if kind not in heads:
        return None
    head, text, more = heads[kind]
    return Column(head, name, text, more)


def median(system: System, figure: str) -> float | None:
    """Returns the median over the rounds, infinite where most waited in vain; None where nothing was measured."""
    values = [math.inf if value is None else value for value in system.figures.get(figure, [])]
    return statistics.median(values) if values else None


def table(document: Document) -> str:
    """Returns the table in Markdown: medians over the rounds, the best of each column in bold."""
    names = list(dict.fromkeys(name for system in document.systems for name in system.figures))
    shown = columns(names)
    best = {column.figure: _best(document.systems, column) for column in shown}
    lines = [
        "| | " + " | ".join(column.head for column in shown) + " |",
        "|---" * (len(shown) + 1) + "|",
    ]
    for system in document.systems:
        cells = [_cell(median(system, column.figure), column, best[column.figure]) for column in shown]
        lines.append(f"| {system.title} {system.version} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _best(systems: Sequence[System], column: Column) -> float | None:
    values = [value for system in systems if (value := median(system, column.figure)) is not None]
    if not values:
        return None
    return max(values) if column.more_is_better else min(values)


def _cell(value: float | None, column: Column, best: float | None) -> str:
    if value is None:
        return "–"
    if value == math.inf:
        return "not within the wait"
    text = column.text.format(value)
    return f"**{text}**" if value == best else text


def ratios(document: Document, name: str) -> str:
    """Returns, for each figure, the system's value over the others': medians of the ratios within each round.

    Within a round, for two neighbours met the same machine; a machine that others use is not the same in the next.
    """
    ours = next((system for system in document.systems if system.name == name), None)
    if not ours:
        return ""
    lines = []
    for figure, values in ours.figures.items():
        column = _column(figure)
        if not column:
            continue
        for other in document.systems:
            theirs = other.figures.get(figure, [])
            pairs = [mine / its for mine, its in zip(values, theirs, strict=False) if mine and its]
            if other is not ours and pairs:
                better = "better" if (statistics.median(pairs) > 1) == column.more_is_better else "worse"
                lines.append(f"{column.head}: {statistics.median(pairs):.2f} × {other.title}'s, {better}")
    return "\n".join(lines)


def encode(document: Document) -> bytes:
    """Returns the JSON file's content."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def decode(content: bytes) -> Document:
    """Returns the document of a JSON file. Raises PeersError: it is none."""
    try:
        return msgspec.json.decode(content, type=Document)
    except msgspec.DecodeError as error:
        raise PeersError(f"this is no file of benchmarks.peers: {error}") from None
