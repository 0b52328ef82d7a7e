"""How a line of the log looks: one place for the supervisor's own and for what a child writes of its user's records."""

import json
from collections.abc import Callable, Mapping
from typing import Any

#: A line's fields, in their order, to the line, without its end.
Render = Callable[[Mapping[str, Any]], str]

#: `auto` is console on a terminal and json elsewhere.
FORMATS = ("auto", "console", "json", "logfmt")
#: The levels by name, with the numbers that the standard library's logging gives them.
LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
#: What begins each line.
_FIRST = ("timestamp", "level", "event")


def resolved(form: str, *, terminal: bool) -> str:
    """Returns what `auto` means there; other formats as they are."""
    if form != "auto":
        return form
    return "console" if terminal else "json"


def renderer(form: str, *, colors: bool = False) -> Render:
    """Returns what makes lines of fields: `timestamp`, `level` and `event` first.

    A line of json or logfmt never holds a line break. No value makes it raise.

    Args:
        form: console, json or logfmt.
        colors: for console alone.
    """
    if form == "json":
        return _json_line
    # A child that writes JSON never imports structlog on its own account.
    import structlog

    if form == "logfmt":
        logfmt = structlog.processors.LogfmtRenderer(key_order=_FIRST)
        return lambda fields: logfmt(None, "", {_one_word(key): _plain(value) for key, value in fields.items()})
    console = structlog.dev.ConsoleRenderer(colors=colors)
    return lambda fields: str(console(None, "", dict(fields)))


def _json_line(fields: Mapping[str, Any]) -> str:
    ordered = {key: fields[key] for key in _FIRST if key in fields} | dict(fields)
    try:
        return json.dumps(ordered, ensure_ascii=False, allow_nan=False, default=text_of)
    except (TypeError, ValueError, RecursionError):
        # Keys that are no texts, numbers that JSON does not have, what contains itself.
        return json.dumps({str(key): _plain(value) for key, value in ordered.items()}, ensure_ascii=False)


def text_of(value: object) -> str:
    """Returns the value as text, whatever its class does when it is asked."""
    try:
        return str(value)
    except Exception as error:
        return f"<unprintable: {type(error).__name__}>"


def _plain(value: Any) -> Any:
    return value if value is None or type(value) in (bool, int, str) else text_of(value)


def _one_word(key: str) -> str:
    return "_".join(str(key).split()) or "_"
