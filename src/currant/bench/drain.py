"""The drain: all is enqueued beforehand, then `currantd` starts on the full table, between two halves of the floor."""

from collections.abc import Callable
from typing import NamedTuple

from rich.console import Console

from currant.bench.floor import FLOOR_QUEUE, measure_floor
from currant.bench.jobs import NOOP, QUEUE
from currant.bench.node import Node
from currant.bench.pace import Pace, pace_of
from currant.bench.plan import BenchFailed, Plan
from currant.bench.progress import progress
from currant.identifiers import new_ids
from currant.new_executions import new_execution
from currant.store import bench_queries
from currant.store.connections import Connection
from currant.store.enqueue import enqueue

ENQUEUE_ROWS = 1000


class Drain(NamedTuple):
    """What was measured, in this order."""

    floor_before: Pace
    drain: Pace
    floor_after: Pace | None

    @property
    def floor(self) -> Pace:
        """Both halves: all their executions over all their seconds."""
        return self.floor_before + self.floor_after if self.floor_after else self.floor_before


async def measure_drain(plan: Plan, url: str, connection: Connection, console: Console) -> Drain:
    """Fills the table, then measures. The floor works off as many rows as the drain, half of them before and half after
    it: a machine that others use is not equally fast at two moments.

    Raises:
        BenchFailed: currantd ended, or nothing moved.
    """
    after_rows = plan.jobs // 2
    before_rows = plan.jobs - after_rows
    for queue, what in ((FLOOR_QUEUE, "enqueueing for the floor"), (QUEUE, "enqueueing for the drain")):
        with progress(console, what, plan.jobs) as show:
            await _enqueue(connection, queue, plan.jobs, show)
    await bench_queries.vacuum(connection)
    floor_before = await measure_floor(url, before_rows, plan.warmup_rows(before_rows))
    with Node(plan, url, console) as node, progress(console, "draining", plan.jobs) as show:
        await node.ready()
        await node.until_completed(plan.jobs, lambda: plan.jobs, show)
    floor_after = await measure_floor(url, after_rows, plan.warmup_rows(after_rows)) if after_rows else None
    batches = await bench_queries.batches(connection, queue=QUEUE)
    if not batches:
        raise BenchFailed("no execution completed")
    return Drain(floor_before, pace_of(batches, plan.warmup_rows(plan.jobs)), floor_after)


async def _enqueue(connection: Connection, queue: str, jobs: int, show: Callable[[int], None]) -> None:
    """Enqueues in bulk, as `enqueue_many` does."""
    execution = new_execution(NOOP._replace(queue=queue), b"[]", b"{}")
    for begin in range(0, jobs, ENQUEUE_ROWS):
        count = min(ENQUEUE_ROWS, jobs - begin)
        await enqueue(connection, new_ids(count), [execution] * count)
        show(begin + count)
