"""The latency: executions enqueued one by one at a steady rate, while `currantd` runs them."""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

from rich.console import Console

from currant.bench.jobs import NOOP
from currant.bench.node import Node
from currant.bench.plan import Plan
from currant.bench.progress import progress
from currant.client import DatabaseBackend
from currant.new_executions import new_execution

#: One by one on each; that many INSERTs can be under way, so that a slow one delays only its own connection's next.
CONNECTIONS = 8
PAYLOAD_BYTES_MAX = 1 << 20


class Feed:
    """Enqueues through the client's own backend, on 8 connections, each execution at its own moment."""

    def __init__(self, url: str, jobs: int, rate_per_s: float) -> None:
        self._backend = DatabaseBackend(url, payload_bytes_max=PAYLOAD_BYTES_MAX)
        self._execution = new_execution(NOOP, b"[]", b"{}")
        self._jobs, self._rate_per_s = jobs, rate_per_s
        self._next = 0
        self._began_s = time.monotonic()
        self.enqueued = 0

    async def run(self) -> None:
        """Raises DatabaseError when one cannot be written."""
        try:
            # Alone: the first use makes the backend's pool, which takes a while.
            await self._enqueue_next()
            self._began_s = time.monotonic()
            await together(*(self._enqueue_in_turn() for _ in range(CONNECTIONS)))
        finally:
            await self._backend.close()

    async def _enqueue_in_turn(self) -> None:
        while self._next < self._jobs:
            await self._enqueue_next()

    async def _enqueue_next(self) -> None:
        due_s = self._began_s + self._next / self._rate_per_s
        self._next += 1
        # When the database does not keep up, this one is late; none is left out, and the rate falls.
        if (delay_s := due_s - time.monotonic()) > 0:
            await asyncio.sleep(delay_s)
        await self._backend.enqueue([self._execution])
        self.enqueued += 1


async def measure_latency(plan: Plan, url: str, console: Console) -> None:
    """Runs until every execution has its outcome in the database, which then holds the figures.

    Raises:
        BenchFailed: currantd ended, or nothing completed any more.
        DatabaseError: an execution could not be enqueued.
    """
    assert plan.rate_per_s is not None
    feed = Feed(url, plan.jobs, plan.rate_per_s)
    with Node(plan, url, console) as node, progress(console, "completed", plan.jobs) as show:
        await node.ready()
        await together(feed.run(), node.until_completed(plan.jobs, lambda: feed.enqueued, show))


async def together(*works: Coroutine[Any, Any, None]) -> None:
    """Runs them until all have ended, or one has failed: then the others are cancelled, and its error is raised."""
    try:
        async with asyncio.TaskGroup() as tasks:
            for work in works:
                tasks.create_task(work)
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None
