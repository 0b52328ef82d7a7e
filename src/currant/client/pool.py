"""The connections of one event loop: made when they are needed, at most so many, closed when idle.

Not psycopg_pool's: that one learns of a wrong password only by its timeout, keeps tasks in the loop that a loop's end
cuts off, and asks the server, or nobody, whether a connection lives. Here the socket tells.
"""

import asyncio
import os
import select
import time
from collections import deque
from types import TracebackType

from psycopg import OperationalError, pq

from currant.client.troubles import unreachable
from currant.errors import DatabaseUnreachable
from currant.store import connections
from currant.store.connections import Connection

#: A connection that was idle for so long is closed.
IDLE_S = 60.0

# Nobody's unique key is waited for longer in one statement: it may hold up other callers' rows. Longer than a node's,
# for Postgres's own lock on notifications, which counts too, goes from one commit to the next.
_LOCK_TIMEOUT = "SET lock_timeout = '1s'"


class Pool:
    """At most `size` connections. Belongs to one event loop and one process; every method is of that loop's thread."""

    def __init__(self, url: str, size: int, *, idle_s: float = IDLE_S) -> None:
        self._url, self._size, self._idle_s = url, size, idle_s
        self._pid = os.getpid()
        #: The longest idle first.
        self._idle: deque[tuple[float, Connection]] = deque()
        self._taken: set[Connection] = set()
        self._connecting = 0
        self._line: deque[asyncio.Future[Connection | None]] = deque()
        self._reaping = self._retired = False
        self._emptied: asyncio.Future[None] | None = None
        #: The most connections there were at a time.
        self.peak = 0

    @property
    def has_room(self) -> bool:
        """Whether `take` would wait for no other's statement."""
        return not self._line and (bool(self._idle) or self._open < self._size)

    @property
    def _open(self) -> int:
        return len(self._idle) + len(self._taken) + self._connecting

    async def take(self) -> Connection:
        """Returns a connection that is the caller's until `give`. Raises what `connections.connect` does."""
        connection = None if self.has_room else await self._in_line()
        while connection is None:
            if self._idle:
                connection = self._idle_one()
            elif self._open < self._size:
                connection = await self._connect()
            else:
                connection = await self._in_line()
        return connection

    def give(self, connection: Connection) -> None:
        """Takes a connection back; one that is lost, or in the middle of something, is closed."""
        self._taken.discard(connection)
        if connection.pgconn.transaction_status != pq.TransactionStatus.IDLE:
            connection.pgconn.finish()
            self._next(None)
        elif self._line:
            self._taken.add(connection)
            self._next(connection)
        elif self._retired:
            connection.pgconn.finish()
        else:
            self._idle.append((time.monotonic(), connection))
            self._reap_later()
        if self._emptied is not None and not self._taken and not self._emptied.done():
            self._emptied.set_result(None)

    def connection(self) -> "_Loan":
        """Returns a context with a connection of its own."""
        return _Loan(self)

    def drop_idle(self) -> None:
        """Closes what is idle: after a loss the others have probably been lost, too."""
        while self._idle:
            _, connection = self._idle.pop()
            connection.pgconn.finish()

    def retire(self) -> None:
        """Closes what is idle now, and all else when it is given back."""
        self._retired = True
        self.drop_idle()

    async def close(self) -> None:
        """Waits for the statements under way, and closes all; the next `take` connects anew."""
        while self._taken or self._connecting:
            self._emptied = asyncio.get_running_loop().create_future()
            try:
                await asyncio.wait([self._emptied], timeout=0.05)
            finally:
                self._emptied = None
        self.drop_idle()

    def finish(self) -> None:
        """Closes everything of an event loop that has ended."""
        if self._pid != os.getpid():
            return  # a forked process must not say goodbye in its parent's connections
        self.drop_idle()
        for connection in self._taken:
            connection.pgconn.finish()
        self._taken.clear()

    async def _in_line(self) -> Connection | None:
        place: asyncio.Future[Connection | None] = asyncio.get_running_loop().create_future()
        self._line.append(place)
        try:
            return await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled() and place.exception() is None:
                self._pass_on(place.result())
            else:
                self._line = deque(each for each in self._line if each is not place)
            raise

    def _pass_on(self, connection: Connection | None) -> None:
        if connection is None:
            self._next(None)
        else:
            self.give(connection)

    def _next(self, connection: Connection | None) -> None:
        """Gives the first in line a connection, or None: the place for one."""
        while self._line:
            place = self._line.popleft()
            if not place.done():
                place.set_result(connection)
                return
        if connection is not None:
            self.give(connection)

    def _idle_one(self) -> Connection | None:
        _, connection = self._idle.pop()
        if not _is_well(connection):
            connection.pgconn.finish()
            return None
        self._taken.add(connection)
        return connection

    async def _connect(self) -> Connection | None:
        """Makes a connection; of a server that is full, waits for one of those that are there: perhaps None."""
        self._connecting += 1
        self.peak = max(self.peak, self._open)
        try:
            connection = await _connected(self._url)
        except BaseException as error:
            self._connecting -= 1
            if not isinstance(error, DatabaseUnreachable):
                self._next(None)
            elif self._open:
                return await self._in_line()
            else:
                # Each would wait for the same answer, one after the other.
                self._refuse_line(error)
            raise
        self._connecting -= 1
        self._taken.add(connection)
        return connection

    def _refuse_line(self, error: DatabaseUnreachable) -> None:
        while self._line:
            place = self._line.popleft()
            if not place.done():
                place.set_exception(DatabaseUnreachable(*error.args))

    def _reap_later(self) -> None:
        if not self._reaping:
            self._reaping = True
            asyncio.get_running_loop().call_later(self._idle_s / 2, self._reap)

    def _reap(self) -> None:
        self._reaping = False
        longest = time.monotonic() - self._idle_s
        while self._idle and self._idle[0][0] <= longest:
            _, connection = self._idle.popleft()
            connection.pgconn.finish()
        if self._idle:
            self._reap_later()


class _Loan:
    """`async with pool.connection() as connection`."""

    __slots__ = ("_connection", "_pool")

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def __aenter__(self) -> Connection:
        self._connection = await self._pool.take()
        return self._connection

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.give(self._connection)


async def _connected(url: str) -> Connection:
    """Makes a connection for the hot path's plans: all that an application asks for is found by an index."""
    connection = await connections.connect(url, "currant", hot=True)
    try:
        await connection.execute(_LOCK_TIMEOUT)
    except BaseException as error:
        connection.pgconn.finish()
        if isinstance(error, OperationalError):
            raise unreachable(url, connections.one_line(error)) from None
        raise
    return connection


def _is_well(connection: Connection) -> bool:
    """Whether an idle connection has nothing to say: what the server would say unasked is its end."""
    if connection.closed:
        return False
    poll = select.poll()
    poll.register(connection.pgconn.socket, select.POLLIN)
    return not poll.poll(0)
