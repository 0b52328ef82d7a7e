"""What options take beyond words and numbers: durations, moments, ids. Each says what is wrong in its own terms."""

import re
from datetime import datetime
from typing import Annotated

import typer

from currant.names import stored_size

_UNITS_S = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3_600.0, "d": 86_400.0, "w": 604_800.0}
_DURATION = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([a-z]*)\s*", re.ASCII)
_SECONDS_MAX = 2**31 - 1
_ROWS_MAX = 100_000


def duration(value: str | float) -> float:
    """Returns seconds of `90`, `90s`, `5min`, `2h`, `30d`; raises typer.BadParameter."""
    match = _DURATION.fullmatch(str(value))
    unit_s = _UNITS_S.get(match[2] or "s") if match else None
    if match is None or unit_s is None or float(match[1]) * unit_s >= _SECONDS_MAX:
        raise typer.BadParameter(f"must be seconds, or a number with s, min, h, d or w, as in 90s or 30d, got {value}")
    return float(match[1]) * unit_s


def moment(value: str | datetime) -> datetime:
    """Returns a moment of ISO 8601; raises typer.BadParameter when it cannot be read or has no time zone."""
    try:
        when = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    except ValueError:
        when = None
    if when is None or when.utcoffset() is None:
        raise typer.BadParameter(
            f"must be a moment with its time zone, as in 2030-01-31T09:00:00+01:00 or 2030-01-31T09:00Z, got {value}"
        )
    return when


def stored(value: str) -> str:
    """Returns a text that the database can hold; raises typer.BadParameter for another."""
    if not stored_size(value):
        raise typer.BadParameter(f"must be a text of at least one character, in UTF-8, got {value!a}")
    return value


def limit(value: str | int) -> int:
    """Returns how many rows a list may have; raises typer.BadParameter."""
    text = str(value)
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= _ROWS_MAX and len(text) < 9):
        raise typer.BadParameter(f"must be an integer from 1 to {_ROWS_MAX}, got {value}")
    return int(text)


JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document, for programs.")]
QueueOption = Annotated[
    str | None, typer.Option("--queue", "-q", metavar="QUEUE", parser=stored, help="Only of this queue.")
]
FunctionOption = Annotated[
    str | None,
    typer.Option(
        "--function",
        "-f",
        metavar="NAME",
        parser=stored,
        help="Only of this function; with * at the end, of those whose name begins so.",
    ),
]
LimitOption = Annotated[
    int,
    typer.Option("--limit", "-n", metavar="N", parser=limit, help="How many at most. [50]", show_default=False),
]
