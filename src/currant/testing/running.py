"""One run of an execution in the process of the test, through the executor of the children. Only here it is called."""

import asyncio
import os
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from contextvars import Context, ContextVar
from types import TracebackType
from typing import NamedTuple

import currant
from currant.child.executor import cancelled, execute
from currant.child.threads import Threads
from currant.context import CurrentExecution
from currant.executions import Ending, Execution
from currant.registry import registry


class Ran(NamedTuple):
    """How a run ended; `body` is the JSON of the result or the error."""

    ending: Ending
    body: bytes | None
    #: What Retry or Snooze asked for.
    delay_s: float | None
    #: The exception itself, where one came out of the user's code.
    exception: BaseException | None
    #: Whoever waited for it was cancelled meanwhile.
    interrupted: asyncio.CancelledError | None = None

    @property
    def passes(self) -> BaseException | None:
        """What is not for the execution but for the test: Ctrl-C, and how pytest ends a test (fail, skip, exit)."""
        error = self.exception
        own = Exception | asyncio.CancelledError | SystemExit | GeneratorExit
        return None if error is None or isinstance(error, own) else error


_raised: ContextVar[list[BaseException]] = ContextVar("currant_testing_raised")


#: Frames of these places at the head of a traceback say how the user's code was reached: no test is about that.
_OWN_PLACES = os.path.dirname(currant.__file__) + os.sep


class _Observer:
    """The outermost middleware: it sees the exception, of which the executor gives only the text."""

    async def __aenter__(self) -> None:
        return None

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            _raised.get([]).append(error)


def _observe(execution: CurrentExecution) -> _Observer:
    return _Observer()


@contextmanager
def observed() -> Iterator[None]:
    """Within it, `run_once` gives the exceptions as well."""
    registry.middleware.insert(0, _observe)
    try:
        yield
    finally:
        registry.middleware.remove(_observe)


def new_threads() -> Threads:
    """Returns the threads of the test's synchronous functions; one that overruns its timeout is waited for."""
    return Threads("currant test", lambda cell: None)


async def run_once(
    execution: Execution,
    *,
    payload_bytes_max: int,
    cancels: MutableMapping[int, Ending],
    threads: Threads,
    context: Context,
    tasks: MutableMapping[str, asyncio.Task[object]],
) -> Ran:
    """Runs it in a task of its own, which is in `tasks` meanwhile, by the execution's id.

    Does not raise: when the caller is cancelled, the execution is, and `interrupted` says so.

    Args:
        cancels: of the cells that are asked to end: how.
        context: a copy for this run alone.
    """
    raised: list[BaseException] = []
    context.run(_raised.set, raised)
    task = asyncio.get_running_loop().create_task(
        execute(execution, registry.get(execution.function), payload_bytes_max, cancels, threads),
        name=execution.id,
        context=context,
    )
    tasks[execution.id] = task
    interrupted: asyncio.CancelledError | None = None
    try:
        while not task.done():
            try:
                await asyncio.wait((task,))
            except asyncio.CancelledError as error:
                interrupted = error
                cancels.setdefault(execution.cell, Ending.RELEASED)
                task.cancel()
        # Cancelled before its first step, of which the executor knows nothing.
        unborn = task.cancelled()
        ending, body, delay_s = cancelled(cancels[execution.cell]) if unborn else task.result()
    finally:
        del tasks[execution.id]
        cancels.pop(execution.cell, None)
    # What the executor itself raises for a rejection is no exception of the user's.
    exception = _from_users_code(raised[-1]) if raised and ending is not Ending.REJECTED else None
    return Ran(ending, body, delay_s, exception, interrupted)


def _from_users_code(error: BaseException) -> BaseException:
    """Returns the exception with a traceback that begins at the user's first frame, if there is one."""
    part = error.__traceback__
    while part is not None and part.tb_frame.f_code.co_filename.startswith(_OWN_PLACES):
        part = part.tb_next
    return error if part is None else error.with_traceback(part)
