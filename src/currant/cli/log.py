"""The log of `currantd`: events to lines, as the level and the limit of repeats allow, to standard error."""

import logging
import sys
import threading
import time
from datetime import UTC, datetime
from typing import Any

import structlog
from rich.console import Console

from currant.cli.writer import Writer
from currant.lines import Render, renderer, resolved
from currant.supervisor.events import Event, Log
from currant.supervisor.loglevel import LogLevel
from currant.supervisor.repeats import Repeats

#: So many lines of one event are told within ten seconds.
TOLD_MAX = 20
#: What people have asked for is told, however much it is.
ASKED_FOR = frozenset({Event.STACKS})


def make_writer(form: str, fd: int | None = None) -> Writer:
    """Returns what writes lines to a descriptor, by default that of standard error; what is dropped is an event."""
    render = _renderer(form)
    return Writer(
        sys.stderr.fileno() if fd is None else fd, dropped=lambda lines: _line(render, Event.DROPPED, lines=lines)
    )


def make_log(level: LogLevel | str, form: str = "auto", writer: Writer | None = None) -> Log:
    """Returns the log to standard error, whose level is looked up for each event.

    It never makes anyone wait: what nobody reads is dropped, and counted.

    Args:
        level: or its name, of a log that keeps it.
        form: one of `lines.FORMATS`.
        writer: what `make_writer` returns, if somebody else writes there, too.
    """
    threshold = LogLevel(level) if isinstance(level, str) else level
    render = _renderer(form)
    limit = Limit(render)
    writer = writer or make_writer(form)
    writer.every(limit.overdue)

    def admit(_logger: Any, method: str, fields: structlog.typing.EventDict) -> structlog.typing.EventDict:
        if not threshold.admits(method):
            raise structlog.DropEvent
        return limit.admit(fields)

    log: Log = structlog.wrap_logger(
        writer,
        processors=[
            admit,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _plain_event,
            lambda _logger, _method, fields: render(fields),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
    )
    return log


class Limit:
    """Bounds how often one event is told. A line says how many of its kind were left out before it."""

    def __init__(self, render: Render) -> None:
        self._render = render
        self._repeats = Repeats(time.monotonic, told_max=TOLD_MAX)
        # The writer's thread asks for what is overdue.
        self._lock = threading.Lock()

    def admit(self, fields: structlog.typing.EventDict) -> structlog.typing.EventDict:
        """Returns the fields of a line. Raises DropEvent when it is left out."""
        if fields["event"] in ASKED_FOR:
            return fields
        with self._lock:
            left_out = self._repeats.admit(fields["event"])
        if left_out is None:
            raise structlog.DropEvent
        return {**fields, "left_out": left_out} if left_out else fields

    def overdue(self, *, last: bool = False) -> list[str]:
        """Returns a line for each event that was left out and has not come since; with `last`, for each at all."""
        with self._lock:
            overdue = self._repeats.overdue(now=last)
        return [_line(self._render, Event.LEFT_OUT, of=str(event), lines=lines) for event, lines in overdue.items()]


def _renderer(form: str) -> Render:
    is_terminal = sys.stderr.isatty()
    colors = is_terminal and not Console(stderr=True).no_color
    return renderer(resolved(form, terminal=is_terminal), colors=colors)


def _line(render: Render, event: Event, **fields: Any) -> str:
    now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return render({"timestamp": now, "level": "warning", "event": str(event), **fields})


def _plain_event(
    logger: structlog.typing.WrappedLogger, method: str, fields: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    fields["event"] = str(fields["event"])
    return fields
