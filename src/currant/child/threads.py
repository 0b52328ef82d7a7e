"""The threads that synchronous functions run in. Nothing can cancel a thread: who waits for one waits to its end."""

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context, copy_context
from typing import Any, NamedTuple

from currant.child import copies
from currant.protocol.cells import CELLS_MAX

#: The slots are the limit, and those that wait lend theirs: as many threads as a child may ever have slots.
_THREADS_MAX = CELLS_MAX // 2


class _Ended(NamedTuple):
    """What a call came to. Not a future's exception: not every exception can be one (StopIteration cannot)."""

    value: Any = None
    error: BaseException | None = None


class Threads:
    """A child's threads, made when they are needed: there are none before the first synchronous function."""

    def __init__(self, name: str, overrun: Callable[[int], None]) -> None:
        """
        Args:
            name: begins the name of each thread.
            overrun: told of the cell of a call whose time is over and whose thread goes on.
        """
        self._name, self._overrun = name, overrun
        self._pool: ThreadPoolExecutor | None = None

    async def call(self, function: Callable[[], Any], cell: int, ends_at: float | None) -> Any:
        """Returns what the function returns, or raises what it raises, when its thread has ended and not before.

        It sees the context variables of the caller. A cancellation of the caller meanwhile is swallowed.

        Args:
            cell: names the call to `overrun`.
            ends_at: when its time is over, by the loop's clock; None: never.

        Raises:
            RuntimeError: the system has no thread for it; it has not been called.
        """
        loop = asyncio.get_running_loop()
        timer = None if ends_at is None else loop.call_at(ends_at, self._overrun, cell)
        try:
            ended = await self._end_of(function, loop)
        finally:
            if timer is not None:
                timer.cancel()
        if ended.error is None:
            return ended.value
        try:
            raise ended.error
        finally:
            # Else this frame would hold the error, and its traceback this frame.
            del ended

    async def _end_of(self, function: Callable[[], Any], loop: asyncio.AbstractEventLoop) -> _Ended:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(_THREADS_MAX, thread_name_prefix=self._name)
        done: asyncio.Future[_Ended] = loop.create_future()
        # Who pops it decides what becomes of the call: the pool queues a call even where it can make no thread for it.
        turn = [True]

        def run(context: Context) -> None:
            try:
                turn.pop()
            except IndexError:
                return
            ended = run_in(function, context)
            loop.call_soon_threadsafe(done.set_result, ended)

        try:
            self._pool.submit(run, copy_context())
        except RuntimeError:
            with contextlib.suppress(IndexError):
                turn.pop()
                raise
        while not done.done():
            try:
                await asyncio.wait((done,))
            except asyncio.CancelledError:
                pass
        return done.result()


def run_in(function: Callable[[], Any], context: Context) -> _Ended:
    """Calls the function in the context; whatever it raises is returned."""
    try:
        return _Ended(context.run(function))
    except BaseException as error:
        if copies.here:
            copies.leave(error)
        return _Ended(error=error)
