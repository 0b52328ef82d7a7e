"""The application's side: enqueueing into the database, over a pool of connections."""

import asyncio
import contextlib
import os
from collections.abc import Coroutine, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from currant import settings
from currant.backends import Backend, Ended, Enqueued, NewExecution
from currant.errors import ConfigurationError, DatabaseError, DatabaseUnreachable, SchemaError
from currant.identifiers import new_ids
from currant.payload import check_size
from currant.store import connections
from currant.store.enqueue import enqueue

T = TypeVar("T")

POOL_SIZE_MAX = 10
IDLE_S = 60.0
WAIT_S = 10.0


class DatabaseBackend:
    """Enqueues over a pool that belongs to one event loop; it connects when it is first used."""

    def __init__(self, url: str, *, payload_bytes_max: int) -> None:
        self._url = connections.check_url(url)
        self._payload_bytes_max = payload_bytes_max
        self._pool: AsyncConnectionPool[connections.Connection] | None = None
        self._owner: tuple[int, asyncio.AbstractEventLoop] | None = None
        self._opening: asyncio.Lock

    async def enqueue(self, executions: Iterable[NewExecution]) -> list[Enqueued]:
        """Inserts all of them, or none.

        Raises:
            PayloadTooLarge: arguments are over the limit; nothing is written.
            DatabaseError: it could not be written.
        """
        rows = _checked(executions, self._payload_bytes_max)
        if not rows:
            return []
        with _reported(self._url):
            return await self._insert(new_ids(len(rows)), rows)

    async def ended(self, id: str) -> Ended:
        raise NotImplementedError

    async def cancel(self, ids: Sequence[str]) -> list[bool]:
        raise NotImplementedError

    def run_sync(self, work: Coroutine[Any, Any, T]) -> T:
        raise NotImplementedError

    async def _insert(self, ids: Sequence[str], executions: Sequence[NewExecution]) -> list[Enqueued]:
        """Inserts them, once more where the connection failed: the ids tell whether it had been done after all."""
        pool = await self._opened()
        try:
            async with pool.connection() as connection:
                return await enqueue(connection, ids, executions)
        except psycopg.OperationalError:
            # Of a server that was restarted, all pooled connections are gone.
            await pool.check()
        with contextlib.suppress(psycopg.errors.UniqueViolation):
            async with pool.connection() as connection:
                return await enqueue(connection, ids, executions)
        return [Enqueued(id, True) for id in ids]

    async def close(self) -> None:
        """Closes the pool; the next enqueue opens another."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.close()

    async def _opened(self) -> AsyncConnectionPool[connections.Connection]:
        # A pool cannot outlive its event loop, nor be used by a forked process.
        owner = (os.getpid(), asyncio.get_running_loop())
        if self._owner != owner:
            self._owner, self._pool, self._opening = owner, None, asyncio.Lock()
        if self._pool is None:
            async with self._opening:
                if self._pool is None:
                    self._pool = await self._open()
        return self._pool

    async def _open(self) -> AsyncConnectionPool[connections.Connection]:
        await self._check_reachable()
        pool: AsyncConnectionPool[connections.Connection] = AsyncConnectionPool(
            connections.conninfo_of(self._url, "currant"),
            kwargs=connections.OPTIONS,
            min_size=0,
            max_size=POOL_SIZE_MAX,
            max_idle=IDLE_S,
            timeout=WAIT_S,
            open=False,
            name="currant",
        )
        await pool.open()
        return pool

    async def _check_reachable(self) -> None:
        """Says at once what a pool would only say after its timeout: a wrong password, no such database."""
        connection = await connections.connect(self._url, "currant")
        await connection.close()


async def enqueue_within(
    connection: psycopg.AsyncConnection[Any] | psycopg.Connection[Any], executions: Iterable[NewExecution]
) -> list[Enqueued]:
    raise NotImplementedError


def enqueue_within_sync(
    connection: psycopg.AsyncConnection[Any] | psycopg.Connection[Any], executions: Iterable[NewExecution]
) -> list[Enqueued]:
    raise NotImplementedError


def _checked(executions: Iterable[NewExecution], payload_bytes_max: int) -> list[NewExecution]:
    rows = list(executions)
    for execution in rows:
        size = len(execution.args) + len(execution.kwargs)
        check_size(size, payload_bytes_max, f"{execution.function}: args and kwargs")
    return rows


@contextlib.contextmanager
def _reported(url: str) -> Iterator[None]:
    """Turns the driver's errors into ours."""
    try:
        yield
    except PoolTimeout as error:
        raise DatabaseUnreachable(
            f"no connection to {connections.describe(url)} within {WAIT_S:g} s: {error}"
        ) from None
    except psycopg.errors.UndefinedTable:
        raise SchemaError("the database has no schema of Currant's yet: run `currant migrate`") from None
    except psycopg.errors.UndefinedColumn:
        raise SchemaError("the database's schema is older than this Currant: run `currant migrate`") from None
    except psycopg.Error as error:
        raise DatabaseError(f"the executions could not be written: {error}") from error


_default: list[Backend] = []


def default() -> Backend:
    """Returns the backend that CURRANT_DATABASE_URL names.

    Raises:
        ConfigurationError: it is not set.
    """
    if not _default:
        loaded = settings.load()
        if loaded.database_url is None:
            raise ConfigurationError(
                "CURRANT_DATABASE_URL is not set: set it to the address of the database,"
                " such as postgresql://user:password@host:5432/database"
            )
        _default.append(DatabaseBackend(loaded.database_url, payload_bytes_max=loaded.payload_bytes_max))
    return _default[0]
