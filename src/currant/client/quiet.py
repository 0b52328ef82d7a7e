"""What psycopg_pool says, and asyncio of its tasks, is no news to an application: it gets an error, or all is well."""

import asyncio
import logging
import weakref
from contextlib import suppress
from typing import Any

#: What all our pools, and by it their tasks, are called in the library's messages.
NAME = "currant.client.pool"
#: Those of our pools.
connections: weakref.WeakSet[Any] = weakref.WeakSet()

_logger = logging.getLogger("psycopg.pool")


class _Lower(logging.Filter):
    """Makes the library's warnings about our pools information; those about an application's own stay what they are."""

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno != logging.WARNING or not _is_ours(record):
            return True
        record.levelno, record.levelname = logging.INFO, logging.getLevelName(logging.INFO)
        return _logger.isEnabledFor(logging.INFO)


def _is_ours(record: logging.LogRecord) -> bool:
    said = record.args if isinstance(record.args, tuple) else ()
    return any(each in connections if hasattr(each, "pgconn") else NAME in str(each) for each in said)


def expect_end(loop: asyncio.AbstractEventLoop) -> None:
    """Has asyncio take it for normal that a loop is closed while our pools' tasks wait for work."""
    for task in _tasks(loop):
        task._log_destroy_pending = False  # type: ignore[attr-defined]


def cut_off(loop: asyncio.AbstractEventLoop) -> None:
    """Ends our pools' tasks of a loop that will not run again."""
    expect_end(loop)
    for task in _tasks(loop):
        coroutine = task.get_coro()
        # They tell the loop, which may be closed.
        with suppress(RuntimeError):
            if coroutine is not None:
                coroutine.close()


def _tasks(loop: asyncio.AbstractEventLoop) -> list[asyncio.Task[Any]]:
    return [task for task in asyncio.all_tasks(loop) if task.get_name().startswith(NAME) or _is_inner(task)]


def _is_inner(task: asyncio.Task[Any]) -> bool:
    """Whether the task is of the library's and without its name: Python 3.11 makes one for each wait with a timeout."""
    frame = getattr(task.get_coro(), "cr_frame", None)
    return frame is not None and type(frame.f_locals.get("self")).__module__.startswith("psycopg_pool")


_logger.addFilter(_Lower())
