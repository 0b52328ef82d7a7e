"""The backend of the inline mode: what is enqueued runs in the test's own process, or is kept."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from currant import settings
from currant.backends import Ended, Enqueued, NewExecution
from currant.batching import check_sizes
from currant.child.threads import Threads
from currant.context import running
from currant.errors import CurrantError, ExecutionFailed
from currant.executions import Ending, Failure, Status
from currant.testing.book import Book, ended_of
from currant.testing.portal import Caller, NotWaiting, Portal
from currant.testing.records import InlineExecution, shown
from currant.testing.running import run_once

T = TypeVar("T")
#: pytest leaves our frames out of the tracebacks that it shows.
__tracebackhide__ = True
Mode = Literal["run", "collect"]

#: How deep executions may enqueue executions that run at once.
DEPTH_MAX = 50
#: How many executions one call may run.
RUNS_MAX = 10_000
_ENDLESS_HELP = (
    ": does a job enqueue itself without an end? inline(mode='collect') only keeps what is enqueued, and"
    " run_all() and run_due() run it one after the other"
)


@dataclass
class _Call:
    """A call of the test's, with all that runs within it."""

    depth: int = 0
    #: The thread of a synchronous call, where synchronous functions run.
    caller: "Caller[Any] | None" = None
    failures: list[InlineExecution] = field(default_factory=list)
    #: How many executions have run in it, in a list of one: shared by all depths.
    runs: list[int] = field(default_factory=lambda: [0])


_call: ContextVar[_Call] = ContextVar("currant_testing_call")


class _Endless(BaseException):
    """Out of all that runs: no job's own `except Exception` is to catch it, and no failure to be tried again."""


class _CallersThread(Threads):
    """Runs a synchronous function in the thread of the test that waits for it, if there is one, else in its own."""

    async def call(self, function: Callable[[], Any], cell: int, ends_at: float | None) -> Any:
        caller = _call.get(_Call()).caller
        if caller is not None:
            context = copy_context()
            try:
                return await caller.run(lambda: context.run(function))
            except NotWaiting:
                pass
        return await super().call(function, cell, ends_at)


class InlineBackend:
    """The backend of a process under test."""

    def __init__(self, book: Book, portal: Portal, mode: Mode, raise_errors: bool) -> None:
        self._book, self._portal, self._mode, self._raise_errors = book, portal, mode, raise_errors
        self._payload_bytes_max = settings.load().payload_bytes_max
        #: Each run gets a copy: like a child's, it does not see the context variables of the enqueuing code.
        self._context = copy_context()
        self._threads = _CallersThread("currant inline", lambda cell: None)
        self._cancels: dict[int, Ending] = {}
        self._tasks: dict[str, asyncio.Task[object]] = {}

    async def enqueue(self, executions: Iterable[NewExecution]) -> list[Enqueued]:
        """Takes all of them or none and, in the mode "run", runs those that are due."""
        taken, told = self._book.add(list(check_sizes(executions, self._payload_bytes_max)))
        if self._mode == "run":
            await self._run_each(each for each in taken if each.status is Status.PENDING)
        return told

    async def ended(self, id: str) -> Ended:
        """Returns how it ended, or raises ExecutionFailed from the job's own exception.

        What waits is run for a job that waits for it.

        Raises:
            CurrantError: it waits, and a test that waited for it would wait for ever.
        """
        record = self._book.get(id)
        if record is None:
            return Ended(id, None, None)
        while record.waits:
            if running.get(None) is None:
                raise CurrantError(_not_run(record))
            await self._run_each([record])
        await asyncio.shield(asyncio.wrap_future(record.ended))
        if record.status is Status.FAILED:
            raise _failure(record) from record.exception
        return ended_of(record)

    async def cancel(self, ids: Sequence[str]) -> list[bool]:
        """Cancels those that wait at once, those that run as soon as they let it."""
        return [self._cancel(id) for id in ids]

    def run_sync(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs a coroutine in the background thread, and synchronous functions meanwhile in this one."""
        if running.get(None) is not None and _in_loop():
            work.close()
            raise CurrantError(
                "this would block the event loop that all jobs of a child share: in an `async def`, await the method"
                " without _sync, as in `await job.queue()` for `job.queue_sync()`"
            )
        # With a loop of its own running, synchronous functions would meet it: they are to be outside of any.
        lends = _in_loop() is None

        def prepare(caller: Caller[T]) -> None:
            call = _call.get(None) or _Call()
            _call.set(_Call(call.depth, caller if lends else None, call.failures, call.runs))

        return self._portal.run(work, prepare)

    async def run_waiting(self, until_s: float | None) -> list[InlineExecution]:
        """Runs what is due by a moment, in Unix time; None: everything. What snoozes is not run again."""
        return await self._run_each(self._waiting(until_s))

    def _waiting(self, until_s: float | None) -> Iterator[InlineExecution]:
        seen: set[str] = set()
        while (record := self._book.due(until_s, seen)) is not None:
            seen.add(record.id)
            yield record

    async def _run_each(self, records: Iterable[InlineExecution]) -> list[InlineExecution]:
        """Runs them one after the other; what fails is told at the end of the outermost call."""
        call = _call.get(None) or _Call()
        ran: list[InlineExecution] = []
        try:
            for record in records:
                ran.append(record)
                await self._run(record, call)
        except _Endless as endless:
            if call.depth:
                raise
            raise CurrantError(str(endless)) from None
        if call.depth == 0 and self._raise_errors and call.failures:
            _raise_first(call.failures)
        return ran

    async def _run(self, record: InlineExecution, call: _Call) -> None:
        """Runs it until it has ended or snoozes."""
        while self._book.start(record):
            _check_end(call)
            ran = await run_once(
                record.claimed(),
                payload_bytes_max=self._payload_bytes_max,
                cancels=self._cancels,
                threads=self._threads,
                context=self._context_within(call),
                tasks=self._tasks,
            )
            self._book.settle(record, ran)
            passes = ran.interrupted or ran.passes
            if passes is not None:
                raise passes
            if record.status is Status.FAILED:
                call.failures.append(record)
            if record.status is not Status.PENDING:
                return

    def _context_within(self, call: _Call) -> Context:
        context = self._context.copy()
        context.run(_call.set, _Call(call.depth + 1, call.caller, call.failures, call.runs))
        return context

    def _cancel(self, id: str) -> bool:
        record = self._book.get(id)
        if record is None or not self._book.cancel(record):
            return False
        task = self._tasks.get(id)
        if task is not None:
            self._cancels[record.cell] = Ending.CANCELLED
            loop = task.get_loop()
            if _in_loop() is loop:
                task.cancel()
            else:
                loop.call_soon_threadsafe(task.cancel)
        return True


def _check_end(call: _Call) -> None:
    call.runs[0] += 1
    if call.depth >= DEPTH_MAX:
        raise _Endless(f"{DEPTH_MAX} executions have each enqueued the next one, within one call{_ENDLESS_HELP}")
    if call.runs[0] > RUNS_MAX:
        raise _Endless(f"one call has run {RUNS_MAX} executions, and there are more{_ENDLESS_HELP}")


def _failure(record: InlineExecution) -> ExecutionFailed:
    error = record.error or Failure("Unknown", "")
    return ExecutionFailed(record.id, error.type, error.message, error.traceback)


def _raise_first(failures: list[InlineExecution]) -> None:
    """Raises what the first of them failed with, as its function raised it."""
    first, *others = failures
    failures.clear()
    error = first.exception
    if error is None or isinstance(error, asyncio.CancelledError):
        failed = _failure(first)
        failed.__cause__, error = error, failed
    error.add_note(f"raised by {first!r}, in attempt {first.attempts}")
    if others:
        error.add_note(f"{len(others)} more failed:{shown(others)}")
    raise error


def _not_run(record: InlineExecution) -> str:
    when = "" if record.run_at is None else f", and is due at {record.run_at.isoformat(timespec='seconds')}"
    return (
        f"{record!r} has not run{when}: before its result is asked for, call run_all() or run_due(), in code without an"
        " event loop run_all_sync() or run_due_sync()"
    )


def _in_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
