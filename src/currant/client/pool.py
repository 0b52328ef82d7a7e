"""The connections of one event loop: psycopg_pool's, opened when it is needed, and anew after it had to end."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from psycopg import pq

from currant.client.library import Library
from currant.store.connections import Connection
from currant.store.usage import Usage

#: A connection that was not needed for so long is closed.
IDLE_S = 60.0


class Pool:
    """At most `size` connections. Belongs to one event loop and one process; every method is of that loop's thread."""

    def __init__(self, url: str, size: int, *, idle_s: float = IDLE_S) -> None:
        self._url, self._size, self._idle_s = url, size, idle_s
        self._pid = os.getpid()
        #: What has been sent over its connections.
        self.usage = Usage()
        #: The last is in use, unless it has ended; the others are about to be closed.
        self._libraries: list[Library] = []
        self._taken: dict[Connection, Library] = {}
        #: The callers with a connection, and those that wait for one.
        self._callers = 0
        self._unused = asyncio.Event()
        self._retired = False
        self._peak = 0

    @property
    def has_room(self) -> bool:
        """Whether `take` would wait for no other's statement."""
        return self._callers < self._size

    @property
    def peak(self) -> int:
        """The most connections there were at a time."""
        return max([self._peak, *(each.peak for each in self._libraries)])

    async def take(self) -> Connection:
        """Returns a connection that is the caller's until `give`. Raises what `connections.connect` does."""
        self._callers += 1
        try:
            connection = None
            while connection is None:
                library = self._current()
                connection = await library.take()
        except BaseException:
            self._leave()
            raise
        self._taken[connection] = library
        return connection

    async def give(self, connection: Connection) -> None:
        """Takes a connection back; one that is lost, or in the middle of something, is closed."""
        if connection.pgconn.transaction_status != pq.TransactionStatus.IDLE:
            connection.pgconn.finish()
        wanted = len(self._taken) < self._callers
        try:
            await self._taken.pop(connection).give(connection, wanted=wanted)
        finally:
            self._leave()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Returns a context with a connection of its own."""
        connection = await self.take()
        try:
            yield connection
        finally:
            await self.give(connection)

    async def drop_idle(self) -> None:
        """Makes all others anew: after a loss they have probably been lost, too."""
        for library in self._libraries:
            await library.renew()

    def retire(self) -> None:
        """Closes everything as soon as nobody uses it."""
        self._retired = True
        self._end_when_retired()

    async def close(self) -> None:
        """Waits for the statements under way, and closes all; the next `take` connects anew."""
        while self._callers:
            self._unused.clear()
            await self._unused.wait()
        for library in list(self._libraries):
            await library.close()

    def finish(self) -> None:
        """Closes everything of an event loop that has ended."""
        if self._pid != os.getpid():
            return  # a forked process must not say goodbye in its parent's connections
        for library in self._libraries:
            library.finish()
        self._taken.clear()

    def _current(self) -> Library:
        if not self._libraries or self._libraries[-1].ended:
            self._peak = self.peak
            self._libraries = [each for each in self._libraries if not each.closed]
            self._libraries.append(Library(self._url, self._size, self._idle_s, self.usage))
        return self._libraries[-1]

    def _leave(self) -> None:
        self._callers -= 1
        if not self._callers:
            self._unused.set()
            self._end_when_retired()

    def _end_when_retired(self) -> None:
        if self._retired and not self._callers:
            for library in self._libraries:
                library.end()
