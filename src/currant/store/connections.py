"""Connections to the database: how each is made, and what its loss means."""

import asyncio
import contextlib
import itertools
import os
import random
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import psycopg
from psycopg import AsyncConnection, conninfo, sql
from psycopg.adapt import AdaptersMap, Transformer
from psycopg.types.string import ByteaBinaryLoader

from currant.errors import ConfigurationError, DatabaseError, DatabaseUnreachable, NoAnswer, RowLocked, StatementRefused
from currant.store import arrays
from currant.store.usage import CONNECT, SESSION, Usage

T = TypeVar("T")

CONNECT_S = 10
#: No statement of the hot path takes this long on a database that is well; beyond it the connection is given up.
STATEMENT_S = 10.0
#: After a connection was cut, how long psycopg may take to notice.
_NOTICE_S = 5.0
#: What goes on for so long after that, nothing here ends any more: psycopg itself gives up after 10 s.
OVERDUE_S = 20.0
BACKOFF_S = (0.05, 5.0)
#: How often a statement that the server ended for another's sake is tried at once, and the waits between, doubling.
CONFLICT_TRIES = 8
CONFLICT_S = (0.005, 0.5)

# The plans of the hot statements are all of one kind: ordered index scans from a few rows into the large table. Without
# these a guess about an array's size flips them to a scan, or a sort, of the whole table. JIT would compile longer than
# they run. Nobody is waited for long: a transaction left open on one row must not hold up the others'.
_HOT_SESSION = (
    b"SET jit = off; SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off;"
    b" SET enable_bitmapscan = off; SET plan_cache_mode = force_generic_plan; SET lock_timeout = '100ms'"
)
_KEEPALIVE = {
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
#: Which of several hosts is taken; and a single one is not while it is a standby, or refuses to write otherwise: what a
#: failover leaves behind must not hold our results for longer than it takes to find its successor.
_WRITABLE = {"target_session_attrs": "read-write"}
# What a new attempt cannot mend. libpq gives no code for a refusal, only the server's text.
_REFUSALS = ("does not exist", "authentication", "password", "pg_hba.conf", "permission denied", "not permitted")

adapters = AdaptersMap(psycopg.adapters)
arrays.register(adapters)
# As bytes, in C, with no object for each value: jsonb keeps its version byte in front, which `queries` cuts off.
adapters.register_loader("jsonb", ByteaBinaryLoader)
adapters.register_loader("tid", ByteaBinaryLoader)


class _Context:
    """Carries our adapters into a connection."""

    adapters = adapters
    connection = None


class Connection(AsyncConnection[tuple[Any, ...]]):
    """One of ours, which counts what is sent over it in its `usage`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.usage = Usage()
        #: The names of the statements that are prepared here, each by what `exchange` knows it by.
        self.prepared: dict[object, bytes] = {}
        self.prepared_numbers = itertools.count()
        #: What turns parameters into bytes. It knows no connection, for it would keep this one from being freed.
        self.dumper = Transformer(_Context())

    @contextlib.contextmanager
    def counted(self, name: str) -> Iterator[None]:
        """A context in which something without rows is sent, and answered, once."""
        sent_s = time.monotonic()
        try:
            yield
        finally:
            self.usage.note(name, time.monotonic() - sent_s)

    async def command(self, name: str, text: bytes | sql.Composed) -> None:
        """Sends what is neither prepared nor has a result, as a SET; several at once count as one."""
        with self.counted(name):
            await self.execute(text)


def check_url(url: str) -> str:
    """Returns the address; raises ConfigurationError when libpq cannot read it."""
    try:
        conninfo.conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        # Without libpq's text, which repeats the address, and the password in it.
        raise ConfigurationError(
            "the database's address cannot be read: write it as postgresql://user:password@host:5432/database,"
            " with special characters of the password as %XX"
        ) from None
    return url


def has_password(url: str) -> bool:
    """Whether the address itself holds a password; False for one that cannot be read."""
    try:
        return "password" in conninfo.conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        return False


def one_line(error: BaseException) -> str:
    """Returns what libpq says, which comes in several lines, as one."""
    return "; ".join(" ".join(line.split()) for line in str(error).splitlines() if line.strip())


def refusal(error: BaseException) -> str:
    """Returns that the database refuses a statement, and why, and what helps against a want of rights."""
    why = f"the database refuses a statement: {one_line(error)}"
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        why += " (the owner of Currant's tables runs `currant grant` for this role, again after each upgrade)"
    return why


def describe(url: str) -> str:
    """Returns the address without its password, for messages."""
    parts = conninfo.conninfo_to_dict(url)
    host, port = parts.get("host") or "the default host", parts.get("port")
    place = f"{host}:{port}" if port and not str(host).startswith("/") else host
    return f"{parts.get('dbname') or parts.get('user') or 'the default database'} at {place}"


async def connect(
    url: str, name: str, *, hot: bool = False, writable: bool = False, usage: Usage | None = None
) -> Connection:
    """Returns a new connection in autocommit mode.

    Args:
        url: as libpq reads it.
        name: its application_name.
        hot: for the statements of the hot path, whose plans are held fast.
        writable: a server that takes no writes, such as a standby, is as good as none.
        usage: where it counts, and others may as well.

    Raises:
        DatabaseUnreachable: no server answers, or it is starting or full: it may be otherwise later.
        DatabaseError: the server refuses: the account, the password or the database is wrong.
    """
    connection: Connection | None = None
    try:
        began_s = time.monotonic()
        connection = await Connection.connect(conninfo_of(url, name, writable=writable), **OPTIONS)
        connection.usage = usage or connection.usage
        connection.usage.note(CONNECT, time.monotonic() - began_s)
        if hot:
            await connection.command(SESSION, _HOT_SESSION)
    except BaseException as error:
        if connection is not None:
            connection.pgconn.finish()
        if not isinstance(error, psycopg.OperationalError):
            raise
        text = one_line(error)
        kind = DatabaseError if any(each in text for each in _REFUSALS) and "No such file" not in text else None
        raise (kind or DatabaseUnreachable)(f"{describe(url)}: {text}") from None
    return connection


def conninfo_of(url: str, name: str, *, writable: bool = False) -> str:
    """Returns the address with our defaults; what it says itself counts."""
    # What we send is UTF-8, whatever the database holds it in.
    defaults: dict[str, Any] = {
        "connect_timeout": CONNECT_S, "application_name": name, "client_encoding": "utf8", **_KEEPALIVE,
        **(_WRITABLE if writable else {}),
    }  # fmt: skip
    return conninfo.make_conninfo("", **{**defaults, **conninfo.conninfo_to_dict(url)})


#: How each of our connections behaves, in psycopg's own terms.
OPTIONS: dict[str, Any] = {"autocommit": True, "context": _Context()}


def is_passing(error: BaseException) -> bool:
    """Whether the same statement may succeed later: the connection's or the server's trouble, not the data's.

    A read-only server counts (a standby that takes over), a full disk, a deadlock, a serialization failure.
    """
    if isinstance(error, DatabaseUnreachable | TimeoutError | psycopg.InterfaceError):
        return True
    return isinstance(error, psycopg.OperationalError | psycopg.errors.ReadOnlySqlTransaction)


class Backoff:
    """Pauses that double from the first bound, in seconds, to the second, jittered, until they are reset."""

    def __init__(self, bounds_s: tuple[float, float] = BACKOFF_S, jitter: Callable[[], float] = random.random) -> None:
        self._bounds_s, self._jitter = bounds_s, jitter
        self._pause_s = bounds_s[0]

    async def pause(self) -> None:
        pause_s, self._pause_s = self._pause_s, min(2 * self._pause_s, self._bounds_s[1])
        await asyncio.sleep(pause_s * (0.5 + self._jitter() / 2))

    def reset(self) -> None:
        self._pause_s = self._bounds_s[0]


@dataclass
class Standing:
    """What the sessions of one node know together: whether the server has ever let one of them in."""

    well: bool = False


class Session:
    """One named connection, made anew after each loss, with one message at the loss and one at the return."""

    def __init__(
        self,
        url: str,
        name: str,
        *,
        hot: bool = False,
        lost: Callable[[str, str], None],
        regained: Callable[[str, float], None],
        statement_s: float = STATEMENT_S,
        standing: Standing | None = None,
        usage: Usage | None = None,
    ) -> None:
        """Takes no connection yet.

        Args:
            lost, regained: get the name and the reason; the name and the seconds between.
            statement_s: how long a statement may take before the connection is given up.
            standing: shared with the other sessions of the same address.
            usage: where its connections count what they send.
        """
        self._url = url
        self.name = name
        self._hot = hot
        self._on_lost, self._on_regained = lost, regained
        self._statement_s = statement_s
        self._connection: Connection | None = None
        self._turn = asyncio.Lock()
        self._unanswered = False
        self._lost_at: float | None = None
        #: When the statement under way will have outlived its limit, by the loop's clock.
        self._over_at = float("inf")
        self._standing, self._usage = standing or Standing(), usage
        self._backoff = Backoff()

    @property
    def busy(self) -> bool:
        """Whether a statement is under way."""
        return self._turn.locked()

    @property
    def overdue(self) -> bool:
        """Whether a statement is under way whose limit has passed long ago, without effect."""
        return asyncio.get_running_loop().time() > self._over_at

    async def once(self, statement: Callable[[Connection], Awaitable[T]]) -> T:
        """Runs the statement on the connection, which is made if there is none.

        One that the server ended for the sake of another (a deadlock, a serialization failure) had no effect, and is
        tried again some times.

        Raises:
            DatabaseUnreachable: it failed for a reason that may pass; whether it took effect is not known.
            DatabaseError: the server refuses the account or the database, and has never let us in.
            StatementRefused: the statement or its data is wrong.
        """
        async with self._turn:
            try:
                result = await self._run_through_conflicts(statement)
            except (psycopg.Error, DatabaseError, TimeoutError) as error:
                raise self._judged(error) from error
            self._note_success()
            return result

    async def _run_through_conflicts(self, statement: Callable[[Connection], Awaitable[T]]) -> T:
        backoff = Backoff(CONFLICT_S)
        for _ in range(CONFLICT_TRIES - 1):
            try:
                return await self._run(statement)
            except (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure):
                await backoff.pause()
        return await self._run(statement)

    async def _run(self, statement: Callable[[Connection], Awaitable[T]]) -> T:
        self._unanswered = False
        loop = asyncio.get_running_loop()
        limit_s = self._statement_s + _NOTICE_S
        self._over_at = loop.time() + limit_s + OVERDUE_S
        try:
            async with asyncio.timeout(limit_s):
                if self._connection is None or self._connection.closed:
                    self._connection = await connect(
                        self._url, self.name, hot=self._hot, writable=True, usage=self._usage
                    )
                cut = loop.call_later(self._statement_s, self._give_up, self._connection)
                try:
                    return await statement(self._connection)
                finally:
                    cut.cancel()
        finally:
            self._over_at = float("inf")

    def _give_up(self, connection: Connection) -> None:
        self._unanswered = True
        _cut(connection)

    async def insist(self, statement: Callable[[Connection], Awaitable[T]]) -> T:
        """Runs the statement until it succeeds; for one that may be repeated. Raises what `once` does for good."""
        while True:
            try:
                return await self.once(statement)
            except DatabaseUnreachable:
                await self.pause()

    async def pause(self) -> None:
        """Waits after a failure, each time longer."""
        await self._backoff.pause()

    def drop(self) -> None:
        """Ends the connection at once; the next statement makes a new one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.pgconn.finish()

    def cut(self) -> None:
        """Ends the connection under the statement that is under way, which fails at once."""
        if self._connection is not None and not self._connection.closed:
            _cut(self._connection)

    async def close(self) -> None:
        """Ends the connection when the statement under way, if any, is done."""
        async with self._turn:
            self.drop()

    def _judged(self, error: Exception) -> DatabaseError:
        """Returns what `once` raises for an error, and gives the connection up where that may help."""
        if isinstance(error, psycopg.errors.LockNotAvailable):
            return RowLocked(one_line(error))
        # A server that let us in before and refuses now is being changed: results wait for it.
        if is_passing(error) or (self._standing.well and type(error) is DatabaseError):
            unanswered = self._unanswered or isinstance(error, TimeoutError)
            reason = f"no answer within {self._statement_s:g} s" if unanswered else one_line(error)
            self._note_loss(reason)
            return (NoAnswer if unanswered else DatabaseUnreachable)(reason)
        if isinstance(error, DatabaseError):
            return error
        return StatementRefused(refusal(error))

    def _note_loss(self, reason: str) -> None:
        self.drop()
        if self._lost_at is None:
            self._lost_at = asyncio.get_running_loop().time()
            self._on_lost(self.name, reason)

    def _note_success(self) -> None:
        self._standing.well = True
        self._backoff.reset()
        if self._lost_at is not None:
            lost_s = asyncio.get_running_loop().time() - self._lost_at
            self._lost_at = None
            self._on_regained(self.name, lost_s)


def _cut(connection: Connection) -> None:
    """Ends a connection whose statement takes too long. psycopg's own way would first wait for the server to cancel."""
    with contextlib.suppress(OSError, psycopg.OperationalError):
        with socket.socket(fileno=os.dup(connection.fileno())) as end:
            end.shutdown(socket.SHUT_RDWR)
