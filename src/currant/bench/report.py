"""A document on a terminal: of each mode the answer first, then what it rests on; at the end whether it holds."""

import textwrap
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.text import Text

from currant.bench.amounts import amount
from currant.bench.differences import is_busy
from currant.bench.lines import WIDTH, run_lines, troubles_of
from currant.bench.results import FIGURES, Check, Document, Environment, Run, Section

#: A section with more runs shows a table: the mode's own, or a line for each run.
RUNS_IN_FULL = 2
#: For terminals that have no more than ASCII.
_PLAIN = str.maketrans(
    {"÷": "/", "×": "x", "≤": "<", "·": "|", "–": "-", "…": ".", "✓": "+", "✗": "!"}
    | dict.fromkeys("▏▎▍▌▋▊▉█", "#")
    | dict(zip("▁▂▃▄▅▆▇", "__--==#", strict=True))
)

_CONTROLS = dict.fromkeys([*range(32), *range(127, 160)], "?")


def show(document: Document, console: Console) -> None:
    """Prints the results for people, in 80 columns; where the output is no terminal, without any control characters."""
    for line in _document(document):
        print_line(line, console)


def print_line(line: Text, console: Console) -> None:
    """Prints a line as it is: not wrapped, and with plain characters where there are no others."""
    # A document is a file, which somebody else may have written: it is not to control the terminal.
    line.plain = line.plain.translate(_CONTROLS)
    if not console.encoding.lower().startswith("utf"):
        line = Text(line.plain.translate(_PLAIN).encode("ascii", "replace").decode(), style=line.style)
    console.print(line, soft_wrap=True, highlight=False)


def _document(document: Document) -> Iterator[Text]:
    for section in document.sections:
        yield from _section(section)
        yield Text()
    yield from _environment(document.environment)
    yield from _troubles(document)
    yield from _checks(document)


def _section(section: Section) -> Iterator[Text]:
    name = section.mode
    first, *rest = textwrap.wrap(f"{name}: {section.answer}", WIDTH, subsequent_indent="  ")
    yield Text.assemble((first[: len(name)], "bold"), (first[len(name) :], "bold green"))
    yield from (Text(line, style="bold green") for line in rest)
    yield from _repeats(section)
    runs = section.runs
    if section.rows:
        yield from table(section.head, section.rows)
    elif len(runs) > RUNS_IN_FULL:
        yield from table(*_one_line_each(runs))
    elif not runs:
        yield from _figures(section)
    if not section.rows and len(runs) <= RUNS_IN_FULL:
        for place, run in enumerate(runs):
            yield from run_lines(run, brief=place > 0)


def _repeats(section: Section) -> Iterator[Text]:
    if len(section.repeats) < 2:
        return
    rows = []
    for name, median in section.figures.items():
        values = [repeat[name] for repeat in section.repeats if name in repeat]
        if values:
            rows.append([name, amount(median), amount(min(values)), amount(max(values))])
    yield from table([f"of {len(section.repeats)} repeats", "median", "least", "most"], rows)


def _figures(section: Section) -> Iterator[Text]:
    for name, value in section.figures.items():
        figure = FIGURES.get(name)
        meaning, unit = (figure.meaning, figure.unit) if figure else (name, "")
        yield Text(f"    {meaning:<46}{amount(value):>10} {unit}".rstrip())


def _one_line_each(runs: Sequence[Run]) -> tuple[list[str], list[list[str]]]:
    head = ["run", "jobs/s", "p50 ms", "p99 ms", "busy %", "statements/job"]
    rows = []
    for run in runs:
        latency = None if run.backlogged else run.complete_ms
        cells = (
            run.throughput_per_s,
            None if latency is None else latency.p50,
            None if latency is None else latency.p99,
            None if run.utilization is None else run.utilization * 100,
            run.statements_per_job,
        )
        rows.append([run.label, *("" if cell is None else amount(cell) for cell in cells)])
    return head, rows


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[Text]:
    """Returns the lines of a table: the first column to the left, the others to the right, none wider than needed."""
    lines = [head, *rows] if head else list(rows)
    columns = max(map(len, lines))
    cells = [[*map(str, line), *[""] * (columns - len(line))] for line in lines]
    widths = [max(len(line[column]) for line in cells) for column in range(columns)]
    gap = 2 if sum(widths) + 2 * columns <= WIDTH else 1
    for number, line in enumerate(cells):
        aligned = [line[0].ljust(widths[0])]
        aligned += [cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)]
        style = "dim" if head and number == 0 else ""
        yield Text((" " * gap + (" " * gap).join(aligned)).rstrip(), style=style)


def _environment(environment: Environment) -> Iterator[Text]:
    commit = f" ({environment.commit[:10]})" if environment.commit else ""
    server = f"Postgres {environment.postgres} ({environment.postgres_where})"
    yield from _quiet(f"Currant {environment.currant}{commit}, {environment.python}, {server}")
    machine = f"{environment.cores} × {environment.cpu}, {environment.memory_bytes / 1e9:,.1f} GB"
    yield from _quiet(f"{environment.os}, {machine}, load {environment.load:.2f} before")
    if is_busy(environment):
        yield Text("! The machine was busy with something else, which the figures include.", style="yellow")


def _quiet(text: str) -> Iterator[Text]:
    yield from (Text(line, style="dim") for line in textwrap.wrap(text, WIDTH, subsequent_indent="  "))


def _checks(document: Document) -> Iterator[Text]:
    found = [each for section in document.sections for each in _labelled(section)]
    for label, check in found:
        if not check.ok:
            text = f"✗ FAILED {label}, {check.name}: {check.text}"
            yield from (Text(line, style="bold red") for line in textwrap.wrap(text, WIDTH, subsequent_indent="  "))
    if failed := len(document.failed):
        yield Text(
            f"✗ {failed} of {len(found)} checks FAILED: the figures of such a run mean nothing", style="bold red"
        )
    elif found:
        names = ", ".join(dict.fromkeys(check.name for _, check in found))
        lines = textwrap.wrap(f"✓ every check holds ({len(found)}): {names}", WIDTH, subsequent_indent="  ")
        yield from (Text(line, style="green") for line in lines)


def _labelled(section: Section) -> Iterator[tuple[str, Check]]:
    yield from ((section.mode, check) for check in section.checks)
    yield from ((run.label, check) for run in section.runs for check in run.checks)


def _troubles(document: Document) -> Iterator[Text]:
    counts = [troubles_of(run) for section in document.sections for run in section.runs]
    if counts:
        totals = {name: sum(each[name] for each in counts) for name in counts[0]}
        text = "In all runs: " + ", ".join(f"{total:,} {name}" for name, total in totals.items())
        yield Text(text, style="yellow" if any(totals.values()) else "dim")
