"""The database as the backend of an application's calls, in any number of event loops and threads."""

import asyncio
import os
import threading
import weakref
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any, NamedTuple, TypeVar

import psycopg

from currant.backends import Ended, Enqueued, NewExecution
from currant.batching import BATCH_ROWS, check_sizes
from currant.client.many import CallersError, write_many
from currant.client.pool import IDLE_S, Pool
from currant.client.portal import portal
from currant.client.results import Results
from currant.client.troubles import is_lost, translated
from currant.client.writer import Writer
from currant.names import stored_size
from currant.records import StatementUse
from currant.store import connections, queries
from currant.store.usage import Usage

T = TypeVar("T")

POOL_SIZE = 10


class _Side(NamedTuple):
    """What belongs to one event loop."""

    pool: Pool
    writer: Writer
    results: Results


class DatabaseBackend:
    """Enqueues, waits and cancels over connections that are made when they are first used."""

    def __init__(self, url: str, *, payload_bytes_max: int, pool_size: int = POOL_SIZE, idle_s: float = IDLE_S) -> None:
        """
        Args:
            pool_size: the most connections of each event loop.
            idle_s: after so many seconds without use a connection is closed.

        Raises:
            ConfigurationError: the address cannot be read.
        """
        self._url = connections.check_url(url)
        self._payload_bytes_max = payload_bytes_max
        self._pool_size, self._idle_s = pool_size, idle_s
        self._sides: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Side] = weakref.WeakKeyDictionary()
        self._turn = threading.Lock()
        _backends.add(self)

    async def enqueue(self, executions: Iterable[NewExecution]) -> list[Enqueued]:
        """Inserts all of them, or none.

        When the call is cancelled, they may be written or not.

        Raises:
            PayloadTooLarge: arguments are over the limit; nothing is written.
            DatabaseError: nothing is written, unless the text says that this is unknown.
        """
        side = self._side()
        checked: Iterable[NewExecution] = check_sizes(executions, self._payload_bytes_max)
        if isinstance(executions, list | tuple):
            rows = checked = list(checked)
            if len(rows) == 1:
                return [await side.writer.write(rows[0])]
        try:
            return await write_many(side.pool, self._url, checked)
        except CallersError as theirs:
            raise theirs.error from None
        except psycopg.Error as error:
            raise translated(error, self._url) from error

    async def ended(self, id: str) -> Ended:
        """Waits until the execution has ended. A lost connection only delays; raises DatabaseError for a refusal."""
        if not stored_size(id):
            return Ended(id, None, None)
        return await self._side().results.ended(id)

    async def look(self, id: str) -> Ended | None:
        """Returns how it ended, or None. Raises DatabaseError."""
        return await self._side().results.look(id) if stored_size(id) else Ended(id, None, None)

    async def cancel(self, ids: Sequence[str]) -> list[bool]:
        """Cancels executions; False for each that had ended before, or does not exist. Raises DatabaseError."""
        done: set[str] = set()
        possible = [id for id in ids if stored_size(id)]
        for begin in range(0, len(possible), BATCH_ROWS):
            done |= await self._cancel(possible[begin : begin + BATCH_ROWS])
        return [id in done for id in ids]

    def run_sync(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs a coroutine in the background thread, and waits for it; Ctrl-C cancels it."""
        return portal.run(work)

    async def close(self) -> None:
        """Closes the calling event loop's connections, when their statements are done."""
        side = self._sides.get(asyncio.get_running_loop())
        if side is not None:
            await side.pool.close()

    def sweep(self, *, retire: bool = False, at_exit: bool = False) -> None:
        """Closes what event loops that have ended left behind.

        Args:
            retire: of the others too, as soon as they have nothing to do.
            at_exit: no loop that does not run now will run again.
        """
        with self._turn:
            for loop, side in list(self._sides.items()):
                if loop.is_closed() or (at_exit and not loop.is_running()):
                    side.pool.finish()
                    del self._sides[loop]
                elif retire:
                    _soon(loop, side.pool)

    @property
    def peak(self) -> int:
        """The most connections that one event loop has had at a time."""
        return max((side.pool.peak for side in list(self._sides.values())), default=0)

    @property
    def statements(self) -> dict[str, StatementUse]:
        """What has been sent to the database, by name, in the event loops that have not ended."""
        total = Usage()
        for side in list(self._sides.values()):
            total.add(side.pool.usage)
        return total.snapshot()

    def forget(self) -> None:
        """In a forked process: the connections are the parent's, and must be neither used nor closed."""
        _inherited.append(self._sides)
        self._sides = weakref.WeakKeyDictionary()
        self._turn = threading.Lock()

    async def _cancel(self, ids: Sequence[str]) -> set[str]:
        pool = self._side().pool
        for again in (False, True):
            async with pool.connection() as connection:
                try:
                    done = await queries.cancel(connection, ids)
                    if again:
                        # By the statement that was lost.
                        done |= {each.id for each in await queries.ended(connection, ids) if each.status == "cancelled"}
                    return done
                except psycopg.Error as error:
                    if again or not is_lost(connection, error):
                        raise translated(error, self._url) from error
            await pool.drop_idle()
        raise AssertionError

    def _side(self) -> _Side:
        loop = asyncio.get_running_loop()
        return self._sides.get(loop) or self._new_side(loop)

    def _new_side(self, loop: asyncio.AbstractEventLoop) -> _Side:
        self.sweep()
        pool = Pool(self._url, self._pool_size, idle_s=self._idle_s)
        side = _Side(pool, Writer(self._url, pool, self._pool_size), Results(self._url, pool))
        with self._turn:
            self._sides[loop] = side
        return side


_backends: "weakref.WeakSet[DatabaseBackend]" = weakref.WeakSet()
#: A connection of the parent's that were collected here would warn that it is still open.
_inherited: list[object] = []


def all_backends() -> list[DatabaseBackend]:
    """Returns those of this process that are in use."""
    return list(_backends)


def _soon(loop: asyncio.AbstractEventLoop, pool: Pool) -> None:
    try:
        loop.call_soon_threadsafe(pool.retire)
    except RuntimeError:
        pool.finish()  # it has ended just now


def _forget() -> None:
    for backend in _backends:
        backend.forget()


os.register_at_fork(after_in_child=_forget)
