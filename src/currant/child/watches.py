"""Who in this child waits for which execution: many waiters for one id, one watch of it at the supervisor."""

import asyncio
from collections.abc import Callable

from currant.backends import Ended
from currant.errors import CurrantError, PayloadTooLarge
from currant.protocol.work import TOO_LARGE, WATCHED_MAX, FromChild, Results, Unwatch, Watch

#: A frame holds at most so many ids.
_IDS_MAX = 1000


class Watches:
    """What is waited for; the supervisor hears of changes once in a turn of the loop."""

    def __init__(self, send: Callable[[FromChild], None], loop: asyncio.AbstractEventLoop) -> None:
        self._send, self._loop = send, loop
        self._waiters: dict[str, set[asyncio.Future[Ended]]] = {}
        #: What the supervisor watches for us, and what may have to be told to it.
        self._told: set[str] = set()
        self._changed: dict[str, None] = {}

    def add(self, id: str) -> "asyncio.Future[Ended]":
        """Returns the end to come; to be followed by `remove`.

        Raises:
            CurrantError: this child waits for WATCHED_MAX executions already.
        """
        waiters = self._waiters.get(id)
        if waiters is None:
            if len(self._waiters) >= WATCHED_MAX:
                raise CurrantError(
                    f"this process waits for the results of {WATCHED_MAX} executions already:"
                    " wait for some before you wait for more"
                )
            waiters = self._waiters[id] = set()
            self._change(id)
        future: asyncio.Future[Ended] = self._loop.create_future()
        waiters.add(future)
        return future

    def remove(self, id: str, future: "asyncio.Future[Ended]") -> None:
        """Ends a wait, whether or not its execution has ended."""
        waiters = self._waiters.get(id)
        if waiters is not None:
            waiters.discard(future)
            if not waiters:
                del self._waiters[id]
                self._change(id)

    def take(self, results: Results) -> None:
        """Takes what the supervisor has to tell."""
        for ended in results.ended:
            self._told.discard(ended.id)
            for future in self._waiters.pop(ended.id, ()):
                if future.done():
                    continue
                if ended.status == TOO_LARGE:
                    future.set_exception(PayloadTooLarge(f"the result of {ended.id} is larger than a frame can hold"))
                else:
                    future.set_result(ended)

    def close(self, error: Exception) -> None:
        """Fails everybody who waits."""
        for waiters in self._waiters.values():
            for future in waiters:
                if not future.done():
                    future.set_exception(error)
        self._waiters.clear()

    def _change(self, id: str) -> None:
        if not self._changed:
            self._loop.call_soon(self._tell)
        self._changed[id] = None

    def _tell(self) -> None:
        changed, self._changed = self._changed, {}
        new = [id for id in changed if id in self._waiters and id not in self._told]
        gone = [id for id in changed if id not in self._waiters and id in self._told]
        self._told.update(new)
        self._told.difference_update(gone)
        for start in range(0, len(gone), _IDS_MAX):
            self._send(Unwatch(gone[start : start + _IDS_MAX]))
        for start in range(0, len(new), _IDS_MAX):
            self._send(Watch(new[start : start + _IDS_MAX]))
