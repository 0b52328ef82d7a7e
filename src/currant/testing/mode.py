"""The inline mode as tests see it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from currant import backends
from currant.errors import ConfigurationError
from currant.jobs import Job
from currant.limits import check_moment
from currant.testing.backend import InlineBackend, Mode
from currant.testing.book import Book
from currant.testing.portal import Portal
from currant.testing.records import InlineExecution
from currant.testing.running import observed

#: pytest leaves our frames out of the tracebacks that it shows.
__tracebackhide__ = True


class Inline:
    """What `inline()` gives: the executions so far, and means to run those that wait."""

    def __init__(self, book: Book, backend: InlineBackend) -> None:
        self._book, self._backend = book, backend

    @property
    def executions(self) -> list[InlineExecution]:
        """All that was enqueued, in that order."""
        return list(self._book.executions)

    def calls_of(self, job: Job[..., Any]) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
        """Returns the arguments of each enqueued call of the job, as (args, kwargs), whatever became of it."""
        return [(each.args, each.kwargs) for each in self.executions_of(job)]

    def executions_of(self, job: Job[..., Any]) -> list[InlineExecution]:
        """Returns the enqueued executions of the job."""
        return [each for each in self.executions if each.function == job.name]

    def clear(self) -> None:
        """Forgets all executions, and the unique keys that they hold."""
        self._book.clear()

    async def run_all(self) -> list[InlineExecution]:
        """Runs everything that waits, also what is due later, and what that enqueues; returns what ran, in order.

        One that snoozes stays for the next call.

        Raises:
            CurrantError: there is no end to it.
            Exception: with `raise_errors`, when all have run: that of the first that failed.
        """
        return await self._backend.run_waiting(None)

    def run_all_sync(self) -> list[InlineExecution]:
        """Does as `run_all` for code without an event loop."""
        return self._backend.run_sync(self._backend.run_waiting(None))

    async def run_due(self, now: datetime | None = None) -> list[InlineExecution]:
        """Runs what is due, and what that enqueues if it is due too; returns what ran, in order. Raises as `run_all`.

        Args:
            now: the moment it is taken to be, with a time zone; None: what the clock says.
        """
        return await self._backend.run_waiting(_moment_s(now))

    def run_due_sync(self, now: datetime | None = None) -> list[InlineExecution]:
        """Does as `run_due` for code without an event loop."""
        return self._backend.run_sync(self._backend.run_waiting(_moment_s(now)))


@contextmanager
def inline(*, mode: Mode = "run", raise_errors: bool = False) -> Iterator[Inline]:
    """Keeps everything that this process enqueues within the `with` block away from the database, for tests.

    Arguments and results go through JSON, and each execution through timeouts, retries, middleware and everything else
    that it meets in a child. A failure is tried again at once, as often as the job's `retries` say. Start and stop
    hooks, and cron, are not run. It counts for all threads; the block may be in synchronous and in async code.

    Args:
        mode: "run": each call runs before `.queue()` returns, but what is delayed is kept until `run_due()` or
            `run_all()`; "collect": everything is kept.
        raise_errors: `.queue()`, `enqueue_many()`, `run_due()` and `run_all()` raise the exception of the first
            execution that has failed for good, when all that they run has run. Without it they raise nothing, as with
            a database, and `handle.result()` tells.

    Raises:
        ConfigurationError: there is no such mode.
    """
    if mode not in ("run", "collect"):
        raise ConfigurationError(f"mode must be 'run' or 'collect', got {mode!r}")
    book, portal = Book(), Portal("currant: inline")
    backend = InlineBackend(book, portal, mode, raise_errors)
    with observed(), backends.installed(backend, within=True):
        try:
            yield Inline(book, backend)
        finally:
            portal.close()


def _moment_s(now: datetime | None) -> float:
    return time.time() if now is None else check_moment(now)
