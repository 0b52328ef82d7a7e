"""The load: executions enqueued in bulk while a node runs them, as fast as a bounded backlog lets through."""

import asyncio
import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from currant.bench.feed import Feed
from currant.bench.node import Node, ended
from currant.bench.plan import BenchFailed, Plan
from currant.protocol.status import StatusReply

LOOK_S = 0.1
#: How long nothing may complete while something waits.
STALL_S = 60.0


class Load:
    """What is enqueued, one feed after the other, and how much of it the node has done."""

    def __init__(self, url: str, plan: Plan, node: Node) -> None:
        self._url, self._plan, self._node = url, plan, node
        self._feed: Feed | None = None
        #: What was enqueued by the feeds before, all of which is done.
        self._before = 0
        self._moved_at = time.monotonic()
        self.done = 0

    @property
    def enqueued(self) -> int:
        """How many executions are enqueued by now."""
        return self._before + (self._feed.enqueued if self._feed else 0)

    @asynccontextmanager
    async def enqueueing(self, jobs: int | None, seconds: float = math.inf) -> AsyncIterator[None]:
        """Enqueues meanwhile, which whoever lives in this context must `look` at; at its end all is done.

        Args:
            jobs: how many; None for as many as the time lets through.

        Raises:
            BenchFailed: the process that enqueues ended, or its enqueues failed.
        """
        async with Feed(self._url, replace(self._plan, jobs=jobs)) as self._feed:
            await self._feed.ready(paced=False)
            self._moved_at = time.monotonic()
            try:
                async with asyncio.TaskGroup() as tasks:
                    feeding = tasks.create_task(self._feed.saturate(time.monotonic() + seconds), name="feed")
                    yield
                    while not feeding.done() or self.done < self.enqueued:
                        await self.look()
            except BaseExceptionGroup as group:
                raise group.exceptions[0] from None
            self._before, self._feed = self.enqueued, None

    async def look(self) -> tuple[float, StatusReply]:
        """Returns the moment and what the node says of itself, 0.1 s after the look before.

        Raises:
            BenchFailed: the node has ended, or nothing moves any more.
        """
        await asyncio.sleep(LOOK_S)
        reply = await self._node.status()
        now, done = time.monotonic(), ended(reply) - reply.unsaved
        if done != self.done or done == self.enqueued:
            self._moved_at = now
        if now - self._moved_at > STALL_S:
            raise BenchFailed(f"nothing completed for {STALL_S:g} s, and {self.enqueued - done:,} wait")
        self.done = done
        if self._feed is not None:
            self._feed.note_completed(done - self._before)
        return now, reply
