"""psycopg_pool, as an application needs it: a failure is told at once and by name, and nothing outlives its event loop.

By itself the library connects again and again in the background, and tells who waits of a timeout, whatever the server
said. Here it ends when there is no connection and none can be made, and whoever waits gets the server's words.
"""

import asyncio
import select
import weakref
from collections.abc import Awaitable, Callable
from typing import Any

from psycopg import OperationalError
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout

from currant.client import quiet
from currant.client.troubles import unreachable
from currant.store import connections
from currant.store.connections import Connection
from currant.store.usage import SESSION, Usage

# Nobody's unique key is waited for longer in one statement: it may hold up other callers' rows. Longer than a node's,
# for Postgres's own lock on notifications, which counts too, goes from one commit to the next.
_LOCK_TIMEOUT = b"SET lock_timeout = '1s'"
# Who enqueues one after the other gets the same connection again: the library gives the one that was idle longest,
# whose process at the server has nothing at hand, which costs a sixth of the pace.
_HOLD_S = 0.05
#: How often one who waits looks whether the pool is still there.
_LOOK_S = 30.0


class Library:
    """One pool of psycopg's, from its opening to its end, which is for good. Belongs to the running event loop."""

    def __init__(self, url: str, size: int, idle_s: float, usage: Usage) -> None:
        """`usage`: where the connections count what they send."""
        self._url, self._usage = url, usage
        self._loop = asyncio.get_running_loop()
        self._pool = AsyncConnectionPool[Connection](
            connection_class=_Made,
            kwargs={"make": self._make},
            min_size=0,
            max_size=size,
            open=False,
            check=self._check,
            name=quiet.NAME,
            timeout=_LOOK_S,
            max_idle=idle_s,
            # As little as there can be: one more try, at once.
            reconnect_timeout=0,
            reconnect_failed=self._note_failure,
        )
        self._made: weakref.WeakSet[Connection] = weakref.WeakSet()
        self._failure: Exception | None = None
        self._told = True
        #: A connection that was given back just now.
        self._held: Connection | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_over = asyncio.Event()
        #: No connection comes from here any more.
        self.ended = False
        #: The most connections there were at a time.
        self.peak = 0
        self._keeper = self._loop.create_task(self._keep(), name=f"{quiet.NAME}-keeper")

    @property
    def closed(self) -> bool:
        """Whether nothing is left but what was not given back."""
        return self._keeper.done()

    async def take(self) -> Connection | None:
        """Returns a connection, or None to be asked again. Raises what `connections.connect` does."""
        if self._held is not None:
            connection, self._held = self._held, None
            if _is_well(connection):
                return connection
            connection.pgconn.finish()
            await self._pool.putconn(connection)
        try:
            if self._pool.closed:
                await self._pool.open()
                quiet.expect_end(self._loop)
            return await self._pool.getconn()
        except (PoolTimeout, PoolClosed):
            if self._failure is None or not self.ended:
                return None
            # Each its own, for a traceback grows where it is raised.
            raise type(self._failure)(*self._failure.args) from None

    async def give(self, connection: Connection, *, wanted: bool) -> None:
        """Takes a connection back, which is replaced if it is lost.

        Args:
            wanted: someone waits for it.
        """
        if wanted or self._held is not None or self.ended or connection.closed:
            await self._pool.putconn(connection)
        else:
            self._held = connection
            self._timer = self._timer or self._loop.call_later(_HOLD_S, self._let_go)

    async def renew(self) -> None:
        """Makes the idle connections anew, and the others when they come back."""
        await self._put_back()
        if not self._pool.closed:
            await self._pool.drain()

    def end(self) -> None:
        """Closes what is idle, and the others when they come back."""
        self.ended = True
        self._keeper.cancel()
        if self._timer is not None:
            self._timer.cancel()

    async def close(self) -> None:
        """Does as `end`, and waits until what is idle is closed."""
        self.end()
        await asyncio.wait([self._keeper])

    def finish(self) -> None:
        """Closes all connections, where the event loop has ended."""
        self.ended = True
        for connection in list(self._made):
            connection.pgconn.finish()
        quiet.cut_off(self._loop)

    async def _keep(self) -> None:
        """Puts back what is held, and ends the pool when it is cancelled, which is also the last an event loop does."""
        try:
            while True:
                await self._is_over.wait()
                self._is_over.clear()
                await self._put_back()
        except asyncio.CancelledError:
            self.ended = True
            if self._held is not None:
                self._held.pgconn.finish()
            if not self._pool.closed:
                # Of what is idle: `close` waits for the pool's own parts first, which the loop's end cancels, too.
                await self._pool.drain()
                await self._pool.close()
            raise

    def _let_go(self) -> None:
        self._timer = None
        if self._held is not None:
            self._is_over.set()

    async def _put_back(self) -> None:
        connection, self._held = self._held, None
        if connection is not None:
            try:
                await self._pool.putconn(connection)
            except asyncio.CancelledError:
                connection.pgconn.finish()
                raise

    async def _make(self) -> Connection:
        if not self._told:
            # The library's second try.
            self._told = True
            assert self._failure is not None
            raise self._failure
        try:
            connection = await _connected(self._url, self._usage)
        except Exception as error:
            self._failure, self._told = error, False
            raise
        self._failure = None
        self._made.add(connection)
        quiet.connections.add(connection)
        self.peak = max(self.peak, sum(not each.closed for each in self._made))
        return connection

    async def _note_failure(self, _: AsyncConnectionPool[Any]) -> None:
        """Has all who wait told of a failure, unless there are connections to wait for: a server may be full."""
        if not self._pool.get_stats()["pool_size"]:
            self.end()

    async def _check(self, connection: Connection) -> None:
        """Raises OperationalError, with all others made anew, when a connection was lost while it was idle."""
        if not _is_well(connection):
            connection.pgconn.finish()
            # Now, for after one more such the library would pause for a second.
            await self._pool.drain()
            raise OperationalError("the connection was lost while it was idle")


class _Made(Connection):
    """How the library gets connections that are made in our own way."""

    @classmethod
    async def connect(cls, _: str = "", *, make: Callable[[], Awaitable[Connection]]) -> Any:  # type: ignore[override]
        return await make()


async def _connected(url: str, usage: Usage) -> Connection:
    """Makes a connection for the hot path's plans: all that an application asks for is found by an index."""
    connection = await connections.connect(url, "currant", hot=True, writable=True, usage=usage)
    try:
        await connection.command(SESSION, _LOCK_TIMEOUT)
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
