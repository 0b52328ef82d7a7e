"""What the commands print: one JSON document for programs, tables and dates for people."""

import io
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from currant.cli.shell import is_terminal
from currant.cli.shell import write as write
from currant.records import Pause

#: Where no terminal bounds the lines, nothing is wrapped: the output is for grep and awk.
_COLUMNS_UNBOUNDED = 4_000
#: A cell of a table.
Cell = str | Text
_FOLDED = ("function", "queue", "error", "reason", "note", "nodes", "paused")
_STYLES = {"completed": "green", "failed": "red", "cancelled": "yellow", "running": "cyan"}


def write_json(value: Any) -> None:
    """Prints one JSON document."""
    write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def as_json(value: Any) -> str:
    """Returns a value as JSON in one line, as --args takes it."""
    return msgspec.json.encode(value).decode()


class _Lines(io.StringIO):
    """Where rich writes to; it draws as the encoding of standard output allows."""

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return getattr(sys.stdout, "encoding", None) or "utf-8"


class Page:
    """Prints for people: as wide as their terminal, and in colours if it has some."""

    def __init__(self) -> None:
        terminal = is_terminal(sys.stdout)
        # Into memory: rich would write to the stream itself, and its trouble is for `write` to tell.
        self._lines = _Lines()
        self._console = Console(
            file=self._lines,
            force_terminal=terminal or None,
            highlight=False,
            width=None if terminal else _COLUMNS_UNBOUNDED,
        )

    @property
    def wide(self) -> bool:
        """Whether there is room for columns that are not needed most."""
        return self._console.width >= 130

    @property
    def narrow(self) -> bool:
        """Whether only what is needed most has room beside an id."""
        return self._console.width < 105

    def add(self, item: Any, *, style: str | None = None) -> None:
        """Adds a renderable of rich's, or a text as it is, without markup."""
        self.draw(
            lambda console: console.print(
                text(item, style) if isinstance(item, str) else item, soft_wrap=isinstance(item, str)
            )
        )

    def draw(self, draw: Callable[[Console], None]) -> None:
        """Adds what something draws on a console."""
        draw(self._console)
        lines = self._lines.getvalue().splitlines()
        self._lines.seek(0)
        self._lines.truncate()
        # rich pads each line of a table to its width.
        write("\n".join(line.rstrip() for line in lines))


def table(*columns: str, rows: Iterable[Sequence[Cell]]) -> Table:
    """Returns a table; where there is little room, names and texts are folded, and never an id, a state or a date."""
    made = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for name in columns:
        made.add_column(name, no_wrap=name not in _FOLDED, overflow="fold")
    for row in rows:
        made.add_row(*(text(_in_one_line(cell)) if isinstance(cell, str) else cell for cell in row))
    return made


def _in_one_line(value: str) -> str:
    return value.replace("\r", "\\r").replace("\n", "\\n").replace("\t", "\\t")


def pairs(values: Iterable[tuple[str, Any]]) -> Table:
    """Returns names with their values, a line each; what is None is left out."""
    made = Table(show_header=False, box=None, pad_edge=False)
    made.add_column(no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in values:
        if value is not None:
            made.add_row(Text(name, "bold"), value if isinstance(value, Text) else text(_plain(value)))
    return made


def text(value: str, style: str | None = None) -> Text:
    """Returns what others wrote as it may be printed: control characters, which steer a terminal, as escapes."""
    return Text(
        "".join(each if each.isprintable() or each in "\n\t" else _escaped(each) for each in value), style or ""
    )


def status(value: str) -> Text:
    return text(value, _STYLES.get(value))


def count(number: int, *, cut: bool = False) -> str:
    return f"{number:,}{'+' if cut else ''}"


def age(moment: str | None, now_s: float) -> str:
    """Returns how far a moment, in ISO 8601, is from now: `5 min ago`, `in 2 h`."""
    when = _parsed(moment)
    if when is None:
        return moment or ""
    passed_s = now_s - when.timestamp()
    span = duration(abs(passed_s))
    return f"{span} ago" if passed_s >= 0 else f"in {span}"


def exact(moment: str | None) -> str:
    """Returns a moment in UTC, to the second."""
    when = _parsed(moment)
    return moment or "" if when is None else f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z"


def dated(moment: str | None, now_s: float) -> str | None:
    """Returns a moment both ways."""
    if _parsed(moment) is None:
        return moment
    return f"{exact(moment)} ({age(moment, now_s)})"


def paused(pause: Pause, now_s: float) -> str:
    """Returns since when, by whom and why a queue is paused."""
    return f"{age(pause.paused_at, now_s)} by {pause.paused_by}" + (f": {pause.reason}" if pause.reason else "")


def duration(seconds: float) -> str:
    for unit, unit_s in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * unit_s:
            return f"{seconds / unit_s:.0f} {unit}"
    return f"{seconds:.0f} s"


def size(count: int) -> str:
    """Returns bytes as people say them: `1.5 GiB`."""
    if count < 1000:
        return f"{count} B"
    amount, units = count / 1024, ["KiB", "MiB", "GiB", "TiB"]
    while amount >= 1000 and len(units) > 1:
        amount /= 1024
        del units[0]
    return f"{amount:.0f} {units[0]}" if amount >= 100 else f"{amount:.1f} {units[0]}"


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else as_json(value)


def _parsed(moment: str | None) -> datetime | None:
    try:
        return None if moment is None else datetime.fromisoformat(moment)
    except ValueError:
        # infinity, or a year beyond Python's.
        return None


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode() if character.isascii() else f"\\u{ord(character):04x}"
