"""One batched poll for everything that is waited for in one event loop."""

import asyncio
import math
import time

import psycopg

from currant.backends import Ended
from currant.batching import BATCH_ROWS
from currant.client.pool import Pool
from currant.client.troubles import is_lost, translated
from currant.errors import DatabaseUnreachable
from currant.store import queries
from currant.store.connections import Backoff

#: How often one execution is asked for: soon at first, then ever less often.
PAUSE_S = (0.02, 0.5)


class _Watched:
    """An execution that someone waits for."""

    __slots__ = ("due", "ended", "pause_s", "waiters")

    def __init__(self, now: float) -> None:
        self.ended: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()
        self.waiters = 0
        self.pause_s = PAUSE_S[0]
        # At once: it may have ended long ago.
        self.due = now


class Results:
    """Waits for executions by primary key; without anyone who waits there is no statement."""

    def __init__(self, url: str, pool: Pool) -> None:
        self._url, self._pool = url, pool
        self._watched: dict[str, _Watched] = {}
        self._polling: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()

    async def ended(self, id: str) -> Ended:
        """Waits until the execution has ended, or is not there. A lost connection only delays.

        Raises:
            DatabaseError: the server refuses us, or the schema is missing.
        """
        watched = self._watched.get(id)
        if watched is None:
            watched = self._watched[id] = _Watched(time.monotonic())
            self._changed.set()
        watched.waiters += 1
        if self._polling is None:
            self._polling = asyncio.get_running_loop().create_task(self._poll(), name="currant: results")
        try:
            return await asyncio.shield(watched.ended)
        finally:
            watched.waiters -= 1
            if not watched.waiters and self._watched.get(id) is watched:
                del self._watched[id]
                watched.ended.cancel()
                self._changed.set()

    async def _poll(self) -> None:
        backoff = Backoff()
        try:
            while self._watched:
                await self._sleep()
                try:
                    for ids in self._due():
                        await self._ask(ids)
                except DatabaseUnreachable:
                    await backoff.pause()
                else:
                    backoff.reset()
        except Exception as error:
            watched, self._watched = self._watched, {}
            for each in watched.values():
                if not each.ended.done():
                    each.ended.set_exception(translated(error, self._url))
        finally:
            self._polling = None

    async def _sleep(self) -> None:
        """Returns when something is due."""
        while (due := min((each.due for each in self._watched.values()), default=math.inf)) > time.monotonic():
            if due is math.inf:
                return
            self._changed.clear()
            try:
                async with asyncio.timeout(due - time.monotonic()):
                    await self._changed.wait()
            except TimeoutError:
                return

    def _due(self) -> list[list[str]]:
        """Returns what to ask for now, in bounded statements; what is due soon goes along."""
        soon = time.monotonic() + PAUSE_S[0] / 2
        ids = []
        for id, each in self._watched.items():
            if each.due <= soon:
                ids.append(id)
                each.due = time.monotonic() + each.pause_s
                each.pause_s = min(1.5 * each.pause_s, PAUSE_S[1])
        return [ids[begin : begin + BATCH_ROWS] for begin in range(0, len(ids), BATCH_ROWS)]

    async def _ask(self, ids: list[str]) -> None:
        async with self._pool.connection() as connection:
            try:
                found = await queries.ended(connection, ids)
            except psycopg.Error as error:
                if is_lost(connection, error):
                    self._pool.drop_idle()
                    raise DatabaseUnreachable(str(error)) from error
                raise
        for each in found:
            watched = self._watched.get(each.id)
            if watched is not None and not watched.ended.done():
                del self._watched[each.id]
                watched.ended.set_result(each)
