"""For callers without an event loop: a background thread with one, which their coroutines run in.

The callers' own code, such as a generator of calls, stays in their thread: it may hold a database connection of its
framework's, or enqueue something itself.
"""

import asyncio
import os
import queue
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextvars import ContextVar
from functools import partial
from typing import Any, TypeVar

from currant.background import Background
from currant.errors import CurrantError

T = TypeVar("T")


class _Caller:
    """A thread that waits for its coroutine, and meanwhile runs what this asks it to."""

    def __init__(self) -> None:
        self._asked: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()

    def wait(self, work: "Future[T]") -> T:
        """Returns the coroutine's result. An interrupt, such as Ctrl-C, cancels it."""
        work.add_done_callback(lambda _: self._asked.put(None))
        try:
            while (run := self._asked.get()) is not None:
                run()
        except BaseException:
            work.cancel()
            raise
        if work.cancelled():
            raise CurrantError("a call was cut off: currant.close() was called, or the interpreter is ending")
        return work.result()

    async def run(self, function: Callable[[], T]) -> T:
        """Runs the function in the waiting thread."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()

        def run() -> None:
            settle: Callable[[], None]
            try:
                settle = partial(done.set_result, function())
            except Exception as error:
                settle = partial(done.set_exception, error)
            loop.call_soon_threadsafe(lambda: None if done.done() else settle())

        self._asked.put(run)
        return await done


_caller: ContextVar[_Caller | None] = ContextVar("currant_caller", default=None)


async def in_callers_thread(function: Callable[[], T]) -> T:
    """Runs code of the caller's where the caller expects it: at once, or in the thread that waits in `Portal.run`."""
    caller = _caller.get()
    return function() if caller is None else await caller.run(function)


class Portal:
    """The way of synchronous calls into the background thread; one for each process."""

    def __init__(self) -> None:
        self._background = Background("currant: synchronous calls")

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs the coroutine in the background thread and waits for it; from any other thread, also an event loop's.

        Raises:
            RuntimeError: this is the background thread.
        """
        if self._background.is_here:
            work.close()
            raise RuntimeError("a synchronous call of Currant's within its own background thread would wait for itself")
        caller = _Caller()
        token = _caller.set(caller)
        try:
            # The coroutine gets a copy of this context, and with it the caller.
            return caller.wait(asyncio.run_coroutine_threadsafe(work, self._background.loop()))
        finally:
            _caller.reset(token)

    def stop(self, close: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Ends the thread after `close` has run in its loop; the next `run` starts another."""
        self._background.stop(close)

    def forget(self) -> None:
        """In a forked process: the thread is the parent's."""
        self._background.forget()


portal = Portal()
os.register_at_fork(after_in_child=portal.forget)
