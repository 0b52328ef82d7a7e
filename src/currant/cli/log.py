"""The log of `currantd`: lines to standard error, by a thread, so that a reader who stops cannot stop the node."""

import atexit
import contextlib
import logging
import os
import queue
import sys
import threading

import structlog
from rich.console import Console

from currant.supervisor.events import Log

#: Beyond this many unwritten lines the newest are dropped, and counted.
LINES_MAX = 10_000
LAST_LINES_S = 1.0


def make_log(level: str) -> Log:
    """Returns the log to standard error: coloured columns on a terminal, `key=value` elsewhere."""
    terminal = sys.stderr.isatty()
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=not Console(stderr=True).no_color)
        if terminal
        else structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "event"])
    )
    log: Log = structlog.wrap_logger(
        _LineWriter(sys.stderr.fileno()),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _plain_event,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
    )
    return log


def _plain_event(
    logger: structlog.typing.WrappedLogger, method: str, fields: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    fields["event"] = str(fields["event"])
    return fields


class _LineWriter:
    """Writes lines in the background. A reader that is slow, full or gone costs lines, and nothing else."""

    def __init__(self, fd: int) -> None:
        # Not by sys.stderr: what is left in its buffer, or a thread that holds its lock, spoils the exit of Python.
        self._fd = fd
        self._lines: queue.Queue[str | None] = queue.Queue(LINES_MAX)
        self._dropped = 0
        self._thread = threading.Thread(target=self._write, name="log", daemon=True)
        self._thread.start()
        atexit.register(self._finish)

    def msg(self, line: str) -> None:
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            self._dropped += 1

    debug = info = warning = error = critical = msg

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            dropped, self._dropped = self._dropped, 0
            if dropped:
                line = f"{dropped} lines were dropped here: nobody read them\n{line}"
            try:
                _write_all(self._fd, f"{line}\n".encode(errors="backslashreplace"))
            except OSError:
                self._dropped += 1 + dropped

    def _finish(self) -> None:
        with contextlib.suppress(queue.Full):
            self._lines.put_nowait(None)
        self._thread.join(LAST_LINES_S)


def _write_all(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]
