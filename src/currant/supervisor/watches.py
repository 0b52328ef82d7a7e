"""Which executions children wait for: one poll by primary key for all of them, and none while nobody waits."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol

from currant.backends import Ended
from currant.errors import DatabaseError, DatabaseUnreachable, ProtocolError
from currant.names import ID_BYTES_MAX, stored_size
from currant.protocol.frames import BATCH_BYTES, cut
from currant.protocol.work import TOO_LARGE, WATCHED_MAX, Results, ToChild

#: Between polls: the first when there is news, then longer, up to the second.
POLL_S = (0.02, 0.5)
POLL_GROWTH = 1.5
#: The ids of one statement.
POLL_IDS_MAX = 1000
#: Far more than so many ids of ours take.
WATCHED_BYTES_MAX = 64 << 20
#: A child that has not read so much gets no results until it has.
UNREAD_BYTES_MAX = 8 << 20


class Child(Protocol):
    """What is needed of a child."""

    @property
    def id(self) -> int: ...
    @property
    def unread_bytes(self) -> int: ...
    def send(self, message: ToChild) -> None: ...


class Watches:
    """Tells children when what they watch has ended."""

    def __init__(
        self,
        *,
        ended: Callable[[list[str]], Awaitable[list[Ended]]],
        frame_bytes_max: int,
        refused: Callable[[str], None],
    ) -> None:
        """
        Args:
            ended: returns which of these have ended, or are not there; the rest of them another time.
            refused: told why the database refuses the poll; it is tried again.
        """
        self._ended, self._frame_bytes_max, self._refused = ended, frame_bytes_max, refused
        #: By id and by child, each in the order of the watches.
        self._children: dict[str, dict[int, Child]] = {}
        self._ids: dict[int, dict[str, None]] = {}
        #: Of these ids, by child.
        self._bytes: dict[int, int] = {}
        self._watched = asyncio.Event()
        self._news = asyncio.Event()
        self._pause_s = POLL_S[0]

    def watch(self, child: Child, ids: Iterable[str]) -> None:
        """An id that no execution can have is told to be of none. Raises ProtocolError: the child watches too much."""
        watched = self._ids.setdefault(child.id, {})
        nowhere: list[Ended] = []
        for id in ids:
            if not 1 <= stored_size(id) <= ID_BYTES_MAX:
                # The database would refuse it, and with it the question for all the others.
                nowhere.append(Ended(id, None, None))
                continue
            if id not in watched:
                self._bytes[child.id] = self._bytes.get(child.id, 0) + len(id)
            watched[id] = None
            self._children.setdefault(id, {})[child.id] = child
        if len(watched) > WATCHED_MAX or self._bytes.get(child.id, 0) > WATCHED_BYTES_MAX:
            raise ProtocolError(f"it watches more than {WATCHED_MAX} executions, or {WATCHED_BYTES_MAX} bytes of ids")
        for batch in cut(nowhere, _size):
            child.send(Results(batch))
        self._watched.set()
        self._news.set()

    def unwatch(self, child: Child, ids: Iterable[str]) -> None:
        """Ends these watches of the child; of one that there is not, nothing."""
        watched = self._ids.get(child.id, {})
        for id in ids:
            if id in watched:
                del watched[id]
                self._bytes[child.id] -= len(id)
            children = self._children.get(id)
            if children is not None:
                children.pop(child.id, None)
                if not children:
                    del self._children[id]
        if not self._children:
            self._watched.clear()

    def forget(self, child: Child) -> None:
        """Ends all watches of a child that is gone."""
        self.unwatch(child, list(self._ids.get(child.id, ())))
        self._ids.pop(child.id, None)
        self._bytes.pop(child.id, None)

    def saved(self) -> None:
        """An outcome is in the database: perhaps one that is waited for."""
        if self._children:
            self._news.set()

    async def run(self) -> None:
        """Polls until it is cancelled; sleeps while nobody watches."""
        while True:
            await self._watched.wait()
            await self._wait()
            try:
                await self._poll()
            except DatabaseError as error:
                if not isinstance(error, DatabaseUnreachable):
                    self._refused(str(error))
                self._pause_s = POLL_S[1]

    async def _wait(self) -> None:
        """Waits for the next poll: long when there was no news, but never shorter than the shortest."""
        await asyncio.sleep(POLL_S[0])
        try:
            async with asyncio.timeout(self._pause_s - POLL_S[0]):
                await self._news.wait()
            self._news.clear()
            self._pause_s = POLL_S[0]
        except TimeoutError:
            self._pause_s = min(POLL_S[1], self._pause_s * POLL_GROWTH)

    async def _poll(self) -> None:
        ids = [id for id, children in self._children.items() if any(map(_reads, children.values()))]
        for start in range(0, len(ids), POLL_IDS_MAX):
            some = [id for id in ids[start : start + POLL_IDS_MAX] if id in self._children]
            found = await self._ended(some) if some else []
            if found:
                self._tell(found)

    def _tell(self, found: list[Ended]) -> None:
        for_child: dict[int, tuple[Child, list[Ended]]] = {}
        for ended in found:
            for child in self._children.get(ended.id, {}).values():
                if _reads(child):
                    for_child.setdefault(child.id, (child, []))[1].append(ended)
        for child, theirs in for_child.values():
            for batch in cut(map(self._sendable, theirs), _size):
                child.send(Results(batch))
            self.unwatch(child, [ended.id for ended in theirs])
        # Of large results only some have come: the rest at once.
        self._news.set()

    def _sendable(self, ended: Ended) -> Ended:
        """Returns it, or in place of one that no frame can hold the word of that."""
        return ended if _size(ended) <= self._frame_bytes_max - BATCH_BYTES else Ended(ended.id, TOO_LARGE, None)


def _size(ended: Ended) -> int:
    return len(ended.body or b"") + 4 * len(ended.id) + 30


def _reads(child: Child) -> bool:
    return child.unread_bytes < UNREAD_BYTES_MAX
