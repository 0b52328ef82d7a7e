"""Any number of executions, all or none: batch after batch in one transaction, or in one statement where that does."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from itertools import chain

import psycopg

from currant.backends import Enqueued, NewExecution
from currant.batching import batches
from currant.client.insert import insert
from currant.client.pool import Pool
from currant.client.portal import in_callers_thread
from currant.client.troubles import INSIST_S, is_lost, may_pass, unreachable
from currant.errors import DatabaseUnreachable
from currant.identifiers import new_ids
from currant.store import queries
from currant.store.connections import Backoff, Connection, one_line
from currant.store.enqueue import carry_out, enqueue_steps

Batches = Iterator[list[NewExecution]]


class CallersError(Exception):
    """What the iteration over the caller's executions raised, kept apart from the errors of our own statements."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


async def write_many(pool: Pool, url: str, executions: Iterable[NewExecution]) -> list[Enqueued]:
    """Writes all of them, or none; of a generator, no more than two batches are in memory.

    Raises:
        DatabaseUnreachable: a connection was lost; the text says that nothing was written, or that it is not known.
        psycopg.Error: the database refuses one; nothing was written.
        CallersError: the iteration failed; nothing was written.
    """
    if isinstance(executions, list | tuple):
        some = list(batches(executions))
        if len(some) <= 1 and not any(each.unique_key for batch in some for each in batch):
            return await insert(pool, url, new_ids(len(some[0])), some[0]) if some else []
        return await _insist(pool, url, lambda: iter(some), repeatable=True)
    source = batches(executions)
    first = await _next(source)
    second = await _next(source) if first else None
    if first is None or second is None:
        return await write_many(pool, url, first or [])
    whole = chain([first, second], source)
    return await _insist(pool, url, lambda: whole, repeatable=False)


async def _insist(pool: Pool, url: str, source: Callable[[], Batches], *, repeatable: bool) -> list[Enqueued]:
    """Tries until it is written, or may not be tried again."""
    until = asyncio.get_running_loop().time() + INSIST_S
    backoff = Backoff()
    while True:
        attempt = _Attempt(source())
        try:
            return await attempt.run(pool)
        except psycopg.Error as error:
            if attempt.committing and attempt.is_lost and await _is_committed(pool, url, attempt.transaction, error):
                return attempt.enqueued
            # From here on nothing is written.
            again = repeatable or not attempt.begun
            if not attempt.is_lost and not (again and may_pass(error)):
                raise
            if not again or asyncio.get_running_loop().time() > until:
                reason = one_line(error)
                raise unreachable(url, f"the connection was lost, and nothing was written: {reason}") from error
        await pool.drop_idle()
        await backoff.pause()


class _Attempt:
    """One transaction with all batches."""

    def __init__(self, source: Batches) -> None:
        self._source = source
        self.transaction = ""
        self.enqueued: list[Enqueued] = []
        #: How far it came: it has begun, and may have taken from the source; all that is left is the commit.
        self.begun = self.committing = False
        self.is_lost = False

    async def run(self, pool: Pool) -> list[Enqueued]:
        connection = await pool.take()
        try:
            async with connection.transaction():
                self.transaction = await queries.transaction_id(connection)
                self.begun = True
                await self._write(connection)
                self.committing = True
        except psycopg.Error as error:
            self.is_lost = is_lost(connection, error)
            raise
        finally:
            await pool.give(connection)
        return self.enqueued

    async def _write(self, connection: Connection) -> None:
        """Writes batch after batch; while the server is at one, the next is made ready."""
        writing: asyncio.Task[list[Enqueued]] | None = None
        try:
            while (batch := await _next(self._source)) is not None:
                # New ids for each attempt: those of a lost one would wait until the server has noticed the loss.
                steps = enqueue_steps(new_ids(len(batch)), batch)
                first = next(steps)
                if writing is not None:
                    self.enqueued += await writing
                writing = asyncio.create_task(carry_out(connection, steps, first), name="currant: enqueue")
                await asyncio.sleep(0)  # sends it
            if writing is not None:
                self.enqueued += await writing
        finally:
            if writing is not None and not writing.done():
                writing.cancel()
            # It may have failed while the caller's iteration did.
            await asyncio.gather(*([] if writing is None else [writing]), return_exceptions=True)


async def _is_committed(pool: Pool, url: str, transaction: str, error: psycopg.Error) -> bool:
    """Finds out what became of a transaction whose connection was lost during the commit.

    Raises:
        DatabaseUnreachable: that cannot be found out.
    """
    until = asyncio.get_running_loop().time() + INSIST_S
    backoff = Backoff()
    fate = None
    while asyncio.get_running_loop().time() < until:
        await pool.drop_idle()
        try:
            async with pool.connection() as connection:
                fate = await queries.transaction_fate(connection, transaction)
            if fate != "in progress":
                break
        except (DatabaseUnreachable, psycopg.OperationalError):
            pass
        except psycopg.Error:
            break  # another server, which does not know the transaction
        await backoff.pause()
    if fate not in ("committed", "aborted"):
        raise unreachable(
            url, f"the connection was lost during the commit, and whether all or none is written is not known: {error}"
        ) from error
    return fate == "committed"


async def _next(source: Batches) -> list[NewExecution] | None:
    def take() -> list[NewExecution] | None:
        try:
            return next(source, None)
        except Exception as error:
            raise CallersError(error) from error

    return await in_callers_thread(take)
