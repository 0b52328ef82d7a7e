"""One statement's worth of executions, written in spite of lost connections: the ids tell what had been done."""

import asyncio
from collections.abc import Sequence
from typing import NoReturn

import psycopg

from currant.backends import Enqueued, NewExecution
from currant.client.pool import Pool
from currant.client.troubles import INSIST_S, is_lost, may_pass, unreachable
from currant.errors import DatabaseUnreachable
from currant.store import queries
from currant.store.connections import Backoff, Connection
from currant.store.enqueue import enqueue_apart, enqueue_left


async def insert(
    pool: Pool,
    url: str,
    ids: Sequence[str],
    executions: Sequence[NewExecution],
    *,
    connection: Connection | None = None,
    waits: bool = True,
    doubt: bool = False,
) -> list[Enqueued]:
    """Inserts executions, without a transaction around those with unique keys: where it fails, some may be inserted.

    Args:
        connection: one that was taken from the pool for the first try, and is given back.
        waits: it is tried again when another's lock is in the way; without it, that is an error at once.
        doubt: some were tried before, with these ids, and may have been inserted.

    Raises:
        DatabaseUnreachable: no connection; the text says whether something may have been written.
        psycopg.Error: the statement is refused.
    """
    retries: _Retries | None = None
    while True:
        if connection is None:
            connection = await pool.take() if retries is None else await retries.take(pool)
        try:
            if doubt:
                return await _insert_again(connection, ids, executions)
            return await enqueue_apart(connection, ids, executions)
        except psycopg.Error as error:
            retries = retries or _Retries(url)
            lost = is_lost(connection, error)
            is_locked = isinstance(error, psycopg.errors.LockNotAvailable)
            if not lost and not (may_pass(error) and (waits or not is_locked) and retries.patient):
                raise
            doubt = True
            if lost:
                retries.lost = True
                await pool.drop_idle()
        finally:
            await pool.give(connection)
        connection = None
        await retries.pause()


class _Retries:
    """How far the repetitions of one statement are."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._backoff = Backoff()
        self._until = asyncio.get_running_loop().time() + INSIST_S
        #: A connection was lost: the statement may have been carried out.
        self.lost = False

    @property
    def patient(self) -> bool:
        return asyncio.get_running_loop().time() < self._until

    async def pause(self) -> None:
        await self._backoff.pause()

    async def take(self, pool: Pool) -> Connection:
        while True:
            try:
                return await pool.take()
            except DatabaseUnreachable as error:
                if not self.lost:
                    raise
                if not self.patient:
                    self._give_up(error)
            await self.pause()

    def _give_up(self, error: DatabaseUnreachable) -> NoReturn:
        raise unreachable(
            self._url,
            "the connection was lost during an enqueue, and whether it was written is not known:"
            f" no new connection within {INSIST_S:g} s: {error}",
        ) from None


async def _insert_again(
    connection: Connection, ids: Sequence[str], executions: Sequence[NewExecution]
) -> list[Enqueued]:
    """Inserts what may have been inserted before."""
    written: set[str] = set()
    if any(each.unique_key is not None for each in executions):
        # One that was inserted may have ended since, and another have its key: to insert it again would not tell.
        written = await queries.present(connection, ids)
    try:
        return await enqueue_left(connection, ids, executions, written, enqueue_apart)
    except psycopg.errors.UniqueViolation:
        written = await queries.present(connection, ids)
        return await enqueue_left(connection, ids, executions, written, enqueue_apart)
