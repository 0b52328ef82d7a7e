"""The enqueues themselves, over the client's own backend, in the running event loop: at a rate, or without one."""

import asyncio
import time
from array import array
from collections.abc import Coroutine
from itertools import islice, takewhile
from typing import Any

from currant.backends import NewExecution
from currant.batching import BATCH_ROWS
from currant.bench.arrivals import moments
from currant.bench.plan import BenchFailed
from currant.bench.supply import Supply
from currant.client import DatabaseBackend
from currant.client.backend import POOL_SIZE
from currant.errors import DatabaseError
from currant.records import StatementUse
from currant.settings import Settings

#: An enqueue that begins so much later than it was meant to is late.
LATE_S = 0.01
#: From the start to the first intended moment.
_LEAD_S = 0.05
#: Enqueues that begin before the others under way get their turn.
_STARTS_MAX = 100
#: After so many failures in a row there is nothing to be measured.
_FAILURES_MAX = 100
_PAUSE_S = 0.05


class Enqueuer:
    """Enqueues a supply once, by one of its methods; a context, which closes the connections. Of one event loop."""

    def __init__(self, url: str, supply: Supply, *, offset_s: float = 0.0) -> None:
        """
        Args:
            offset_s: by how much the database's clock is ahead of this machine's.
        """
        self._supply = supply
        # No more connections than an application has that sets nothing; callers beyond share their statements.
        self._connections = min(supply.enqueuers, POOL_SIZE)
        self._backend = DatabaseBackend(
            url, payload_bytes_max=Settings().payload_bytes_max, pool_size=self._connections
        )
        self._offset_s = offset_s
        self._executions = supply.executions()
        #: Enqueuers that have nothing to do.
        self._free = supply.enqueuers
        self._room = asyncio.Event()
        self._failures = 0
        self._completed = 0
        #: How many enqueues have begun, were done, and failed.
        self.begun = self.enqueued = self.errors = 0
        #: How many began later than they were meant to.
        self.late = 0
        #: Why the last that failed did.
        self.error: str | None = None
        #: At a rate: the ids, and the intended moment of each in Unix time of the database's clock.
        self.ids: list[str] = []
        self.intended_s = array("d")
        #: When the first and the last enqueue began, and were meant to; by `time.monotonic`.
        self.first_s = self.last_s = self.first_due_s = self.last_due_s = 0.0

    @property
    def statements(self) -> dict[str, StatementUse]:
        """What was sent to the database so far, by name."""
        return self._backend.statements

    async def __aenter__(self) -> "Enqueuer":
        """Opens the connections, as those of an application that runs are. Raises DatabaseError."""
        await asyncio.gather(*(self._backend.cancel(["no such execution"]) for _ in range(self._connections)))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._backend.close()

    async def paced(self, until_s: float) -> None:
        """Enqueues each execution at its intended moment, or as soon after it as the enqueuers before it let it.

        Args:
            until_s: what is meant for later is left out; by `time.monotonic`.

        Raises:
            BenchFailed: enqueues fail one after another.
            PayloadTooLarge: the payload is over the limit.
        """
        supply = self._supply
        assert supply.rate_per_s is not None
        begin_s = time.monotonic() + _LEAD_S
        unix_s = time.time() - time.monotonic() + self._offset_s
        arrivals = islice(moments(supply.rate_per_s, supply.arrivals, supply.seed), supply.jobs)
        due_s = takewhile(lambda each_s: each_s < until_s, (begin_s + moment_s for moment_s in arrivals))
        rows = BATCH_ROWS if supply.many else 1

        async def enqueue(moments_s: list[float]) -> None:
            try:
                ids = await self._enqueue(list(islice(self._executions, len(moments_s))))
                if ids:
                    self.ids += ids
                    self.intended_s.extend(each_s + unix_s for each_s in moments_s)
            finally:
                self._free += 1
                self._room.set()

        async def dispatch() -> None:
            next_s = next(due_s, None)
            async with asyncio.TaskGroup() as tasks:
                while next_s is not None:
                    # Also when it is late: those under way go on.
                    await asyncio.sleep(max(0.0, next_s - time.monotonic()))
                    while not self._free:
                        self._room.clear()
                        await self._room.wait()
                    now_s = time.monotonic()
                    for _ in range(min(self._free, _STARTS_MAX)):
                        taken: list[float] = []
                        while next_s is not None and next_s <= now_s and len(taken) < rows:
                            taken.append(next_s)
                            next_s = next(due_s, None)
                        if not taken:
                            break
                        self._note_begun(taken, now_s)
                        self._free -= 1
                        tasks.create_task(enqueue(taken))

        await together(dispatch())

    async def saturate(self, until_s: float, backlog: int) -> None:
        """Enqueues as fast as it goes, with at most so many ahead of what `note_completed` was told.

        Raises:
            BenchFailed: enqueues fail one after another.
            PayloadTooLarge: the payload is over the limit.
        """
        supply = self._supply
        rows = max(1, min(BATCH_ROWS, backlog // (2 * supply.enqueuers))) if supply.many else 1

        async def enqueue_in_turn() -> None:
            while await self._has_room(until_s, backlog):
                count = rows if supply.jobs is None else min(rows, supply.jobs - self.begun)
                if count <= 0:
                    return
                now_s = time.monotonic()
                self._note_begun([now_s] * count, now_s)
                await self._enqueue(list(islice(self._executions, count)))

        await together(*(enqueue_in_turn() for _ in range(supply.enqueuers)))

    def note_completed(self, count: int) -> None:
        """Takes how many executions have ended so far."""
        self._completed = count
        self._room.set()

    async def _has_room(self, until_s: float, backlog: int) -> bool:
        """Returns whether there is time left, as soon as there is room."""
        while (left_s := until_s - time.monotonic()) > 0:
            if self.begun - self._completed < backlog:
                return True
            self._room.clear()
            try:
                async with asyncio.timeout(None if left_s == float("inf") else left_s):
                    await self._room.wait()
            except TimeoutError:
                pass
        return False

    async def _enqueue(self, executions: list[NewExecution]) -> list[str]:
        """Returns the ids; none where it failed."""
        try:
            enqueued = await self._backend.enqueue(executions)
        except DatabaseError as error:
            self.errors += len(executions)
            self.error = str(error)
            self._failures += 1
            if self._failures >= _FAILURES_MAX:
                raise BenchFailed(f"{self._failures} enqueues in a row failed, the last one so: {error}") from error
            await asyncio.sleep(_PAUSE_S)
            return []
        self._failures = 0
        self.enqueued += len(enqueued)
        return [each.id for each in enqueued]

    def _note_begun(self, due_s: list[float], now_s: float) -> None:
        if not self.begun:
            self.first_s, self.first_due_s = now_s, due_s[0]
        self.begun += len(due_s)
        self.last_s, self.last_due_s = now_s, due_s[-1]
        self.late += sum(now_s - each > LATE_S for each in due_s)


async def together(*works: Coroutine[Any, Any, None]) -> None:
    """Runs them until all have ended, or one has failed: then the others are cancelled, and its error is raised."""
    try:
        async with asyncio.TaskGroup() as tasks:
            for work in works:
                tasks.create_task(work)
    except BaseExceptionGroup as group:
        raise _first(group) from None


def _first(error: BaseException) -> BaseException:
    return _first(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error
