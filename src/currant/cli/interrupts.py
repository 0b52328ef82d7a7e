"""asyncio.run for commands: Ctrl-C ends the work in one piece, whenever it comes."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import TypeVar

T = TypeVar("T")


def run_async(work: Callable[[], Awaitable[T]]) -> T:
    """Runs `work` in an event loop of its own and returns its result. To be called in the main thread.

    asyncio.run lets Ctrl-C through while the loop is made and closed, which leaves half a loop behind, and its
    complaints on the terminal. Here the first one only cancels the work, so that its connection is closed as ever;
    a second one does not wait.

    Raises:
        KeyboardInterrupt: Ctrl-C came meanwhile.
        Exception: whatever `work` raises.
    """
    interrupts = _Interrupts()
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        # Ignored, as of a background job of a shell, or in the hands of somebody else's handler.
        return asyncio.run(interrupts.cancelling(work))
    signal.signal(signal.SIGINT, interrupts.came)
    try:
        result = asyncio.run(interrupts.cancelling(work))
    except asyncio.CancelledError:
        if not interrupts.count:
            raise
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if interrupts.count:
        raise KeyboardInterrupt
    return result


class _Interrupts:
    """Counts the interrupts, and carries the first into the work."""

    def __init__(self) -> None:
        self.count = 0
        self._cancel: Callable[[], object] | None = None

    def came(self, _number: int, _frame: FrameType | None) -> None:
        """The signal's handler."""
        self.count += 1
        if self.count > 1:
            raise KeyboardInterrupt
        if self._cancel is not None:
            self._cancel()

    async def cancelling(self, work: Callable[[], Awaitable[T]]) -> T:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        # By way of the loop, which sleeps in its selector when a handler runs.
        self._cancel = lambda: loop.call_soon_threadsafe(task.cancel)
        try:
            if self.count:
                raise asyncio.CancelledError
            return await work()
        finally:
            # The loop is closed soon, and cannot be called then.
            self._cancel = None
