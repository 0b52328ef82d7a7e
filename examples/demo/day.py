"""A day at the shop: customers come and go, a newsletter goes out, and we watch until all is done."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, NamedTuple

from currant import enqueue_many
from examples.demo import database
from examples.demo.daemon import Surprise
from examples.demo.database import Connection, Tally
from examples.demo.plan import Plan

TICK_S = 0.05
LOOK_S = 0.25
STALL_S = 30.0
#: How many newsletters one statement enqueues.
BATCH = 5000
_RATE_OVER_S = 1.0


class Picture(NamedTuple):
    """The state of things at a moment."""

    elapsed_s: float
    scene: str
    tallies: dict[str, Tally]
    completed_per_s: float

    @property
    def whole(self) -> Tally:
        return Tally(*map(sum, zip(*self.tallies.values(), strict=True))) if self.tallies else Tally()

    @property
    def done(self) -> int:
        return self.whole.completed + self.whole.failed


class Day:
    """Enqueues what is planned, and tells what becomes of it."""

    def __init__(self, plan: Plan, connection: Connection) -> None:
        self._plan, self._connection = plan, connection
        self._scene = ""
        self._started_at = time.monotonic()
        self._samples: deque[tuple[float, int]] = deque([(0.0, 0)])

    async def run(self, show: Callable[[Picture], None], check: Callable[[], None]) -> Picture:
        """Runs until everything has completed or failed; returns the last picture.

        Args:
            show: gets a picture a few times a second.
            check: raises when there is no point in waiting any longer.

        Raises:
            Surprise: nothing has happened for 30 s.
        """
        async with _beside(self._enqueue()) as enqueueing:
            done, moved_at = -1, time.monotonic()
            while True:
                check()
                if enqueueing.done():
                    await enqueueing
                picture = await self._look()
                show(picture)
                if picture.done >= self._plan.jobs:
                    return picture
                if picture.done != done:
                    done, moved_at = picture.done, time.monotonic()
                elif time.monotonic() - moved_at > STALL_S:
                    raise Surprise(f"nothing has happened for {STALL_S:g} s, with {done:,} of {self._plan.jobs:,} done")
                await asyncio.sleep(LOOK_S)

    async def _enqueue(self) -> None:
        self._scene = "customers come"
        await self._serve_customers()
        self._scene = "a newsletter to all"
        for start in range(0, len(self._plan.newsletter), BATCH):
            await enqueue_many(self._plan.newsletter[start : start + BATCH])

    async def _serve_customers(self) -> None:
        calls = self._plan.customers
        ticks = max(1, round(self._plan.open_s / TICK_S))
        start = time.monotonic()
        for tick in range(ticks):
            await enqueue_many(calls[len(calls) * tick // ticks : len(calls) * (tick + 1) // ticks])
            await asyncio.sleep(start + (tick + 1) * TICK_S - time.monotonic())

    async def _look(self) -> Picture:
        tallies = await database.tallies(self._connection)
        now = time.monotonic() - self._started_at
        completed = sum(tally.completed for tally in tallies.values())
        self._samples.append((now, completed))
        while len(self._samples) > 2 and self._samples[1][0] < now - _RATE_OVER_S:
            self._samples.popleft()
        before, completed_before = self._samples[0]
        return Picture(now, self._scene, tallies, (completed - completed_before) / max(now - before, LOOK_S))


@contextlib.asynccontextmanager
async def _beside(work: Coroutine[Any, Any, None]) -> AsyncIterator["asyncio.Task[None]"]:
    """Runs `work` as a task meanwhile. Not a task group: what it raises should come out as it is."""
    task = asyncio.create_task(work, name="enqueueing")
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])
