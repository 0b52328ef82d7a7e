"""A background thread with an event loop, for tests without one; code of the caller's may run in the caller's thread.

One loop for all calls, as in a child: what belongs to a loop, such as a pool of connections, lives on between them.
"""

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Generic, NamedTuple, TypeVar

from currant.background import Background
from currant.errors import CurrantError

T = TypeVar("T")
#: pytest leaves our frames out of the tracebacks that it shows.
__tracebackhide__ = True


class _End(NamedTuple):
    """What a call came to. Not a future's exception: not every exception can be one."""

    value: Any = None
    error: BaseException | None = None

    def get(self) -> Any:
        if self.error is None:
            return self.value
        try:
            raise self.error
        finally:
            # Else this frame would hold the error, and its traceback this frame.
            del self


class Caller(Generic[T]):
    """A thread that waits for its coroutine, and meanwhile runs what this asks it to."""

    def __init__(self) -> None:
        self._asked: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._turn = threading.Lock()
        self._end: _End | None = None

    def wait(self) -> T:
        """Returns what the coroutine returned, or raises what it raised."""
        while (run := self._asked.get()) is not None:
            run()
        assert self._end is not None
        return self._end.get()  # type: ignore[no-any-return]

    def end(self, end: _End) -> None:
        with self._turn:
            self._end = end
            self._asked.put(None)

    async def run(self, function: Callable[[], Any]) -> Any:
        """Runs the function in the waiting thread; raises `NotWaiting` when that waits no more. Cannot be cancelled."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[_End] = loop.create_future()

        def run() -> None:
            end = _called(function)
            loop.call_soon_threadsafe(done.set_result, end)

        with self._turn:
            if self._end is not None:
                raise NotWaiting
            self._asked.put(run)
        while not done.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait((done,))
        return done.result().get()


class NotWaiting(Exception):
    """The thread has gone on: nothing can be run in it any more."""


class Portal:
    """The way of synchronous calls into a background thread."""

    def __init__(self, name: str) -> None:
        self._background = Background(name)

    def run(self, work: Coroutine[Any, Any, T], prepare: Callable[[Caller[T]], None] = lambda _: None) -> T:
        """Runs the coroutine in the background thread and waits for it. An interrupt, such as Ctrl-C, cancels it.

        Args:
            prepare: called in the coroutine's context before it begins.

        Raises:
            CurrantError: this is the background thread, which cannot wait for itself.
        """
        if self._background.is_here:
            work.close()
            raise CurrantError(
                "this would block the event loop that the call runs in: in an `async def`, await the method without"
                " _sync, as in `await job.queue()` for `job.queue_sync()`"
            )
        caller: Caller[T] = Caller()

        async def carry() -> None:
            try:
                prepare(caller)
                end = _End(await work)
            except BaseException as error:
                end = _End(error=error)
            caller.end(end)

        future = asyncio.run_coroutine_threadsafe(carry(), self._background.loop())
        try:
            return caller.wait()
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        """Cancels what still runs, and ends the thread. Does nothing when it has not started."""
        self._background.stop()


def _called(function: Callable[[], Any]) -> _End:
    try:
        return _End(function())
    except BaseException as error:
        return _End(error=error)
