"""The load: executions enqueued in bulk while a node runs them, as fast as a bounded backlog lets through."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from currant.bench.jobs import NOOP
from currant.bench.node import Node, ended
from currant.bench.plan import BenchFailed
from currant.identifiers import new_ids
from currant.new_executions import new_execution
from currant.protocol.status import StatusReply
from currant.store.connections import connect
from currant.store.enqueue import enqueue

ENQUEUE_ROWS = 1000
#: Enough that the pipeline never waits for the enqueue, whose statements come in bursts.
BACKLOG_ROWS = 20_000
LOOK_S = 0.1
#: How long nothing may complete while something waits.
STALL_S = 60.0


class Load:
    """What is enqueued, and how much of it the node has done."""

    def __init__(self, url: str, node: Node) -> None:
        self._url, self._node = url, node
        self._looked = asyncio.Event()
        self._moved_at = time.monotonic()
        self._upto: float = 0
        self.enqueued = 0
        self.done = 0

    @asynccontextmanager
    async def enqueueing(self, jobs: float) -> AsyncIterator[None]:
        """Enqueues so many more meanwhile, at most; whoever lives in this context looks again and again.

        Raises:
            DatabaseError: one could not be written.
        """
        self._moved_at = time.monotonic()
        try:
            async with asyncio.TaskGroup() as tasks:
                self._upto = self.enqueued + jobs
                tasks.create_task(self._enqueue(), name="enqueue")
                yield
                # Not cancelled: what is under way may be in the table already, and must be counted.
                self._upto = 0
                self._looked.set()
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None

    async def look(self) -> tuple[float, StatusReply]:
        """Returns the moment and what the node says of itself, 0.1 s after the look before.

        Raises:
            BenchFailed: the node has ended, or nothing moves any more.
        """
        await asyncio.sleep(LOOK_S)
        reply = await self._node.status()
        now = time.monotonic()
        if ended(reply) != self.done or self.done == self.enqueued:
            self._moved_at = now
        if now - self._moved_at > STALL_S:
            raise BenchFailed(f"nothing completed for {STALL_S:g} s, and {self.enqueued - self.done:,} wait")
        self.done = ended(reply)
        self._looked.set()
        return now, reply

    async def drain(self) -> None:
        """Returns when all that was enqueued is done, and in the database."""
        while True:
            _, reply = await self.look()
            if self.done >= self.enqueued and not reply.unsaved:
                return

    async def _enqueue(self) -> None:
        execution = new_execution(NOOP, b"[]", b"{}")
        connection = await connect(self._url, "currant:soak-enqueue", hot=True)
        try:
            while self.enqueued < self._upto:
                if self.enqueued - self.done >= BACKLOG_ROWS:
                    self._looked.clear()
                    await self._looked.wait()
                    continue
                rows = int(min(ENQUEUE_ROWS, self._upto - self.enqueued))
                await enqueue(connection, new_ids(rows), [execution] * rows)
                self.enqueued += rows
        finally:
            await connection.close()
