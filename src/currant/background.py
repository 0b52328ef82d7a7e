"""A background thread with an event loop, for the calls of code that has none."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

#: How long the thread may take to end.
STOP_S = 5.0


class Background:
    """The thread starts with the first use, and again with the next one after a stop."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._turn = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    @property
    def is_here(self) -> bool:
        """Whether this is called by the thread itself, which must not wait for itself."""
        return self._thread is threading.current_thread()

    def loop(self) -> asyncio.AbstractEventLoop:
        """Returns the loop, which runs in the thread."""
        with self._turn:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=_serve, args=(self._loop,), name=self._name, daemon=True)
                self._thread.start()
            return self._loop

    def stop(self, last: Callable[[], Coroutine[Any, Any, None]] | None = None) -> None:
        """Cancels what still runs there, runs `last`, and ends the thread. Does nothing when it has not started."""
        with self._turn:
            loop, thread, self._loop, self._thread = self._loop, self._thread, None, None
        if loop is not None and thread is not None:
            asyncio.run_coroutine_threadsafe(_wind_up(last), loop)
            thread.join(STOP_S)

    def forget(self) -> None:
        """In a forked process: the thread is the parent's."""
        self._turn = threading.Lock()
        self._loop = self._thread = None


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        while True:
            try:
                loop.run_forever()
                return
            except (KeyboardInterrupt, SystemExit):
                # Out of a task of the user's, which keeps it for whoever awaits it: the loop goes on for the others.
                pass
    finally:
        loop.close()


async def _wind_up(last: Callable[[], Coroutine[Any, Any, None]] | None) -> None:
    loop = asyncio.get_running_loop()
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    try:
        if last is not None:
            await last()
        await loop.shutdown_asyncgens()
    finally:
        loop.stop()
