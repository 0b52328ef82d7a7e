"""The measured stretches that the modes are made of. Each starts on an empty table, with a `currantd` of its own."""

import math
import time
from dataclasses import dataclass

from rich.console import Console

from currant.bench.assembly import Stretch, assemble
from currant.bench.floor import FLOOR_QUEUE, measure_floor
from currant.bench.jobs import NOOP
from currant.bench.node import Node, ended
from currant.bench.pace import Pace
from currant.bench.plan import Plan
from currant.bench.progress import Show, live, progress
from currant.bench.results import Environment, Floor, Run
from currant.identifiers import new_ids
from currant.new_executions import new_execution
from currant.store import bench_queries
from currant.store.connections import Connection
from currant.store.enqueue import enqueue

#: In a statement, as `enqueue_many` does it.
ENQUEUE_ROWS = 1000


@dataclass(frozen=True)
class Bench:
    """What all stretches are measured with."""

    url: str
    #: For what the bench asks of its own table; in autocommit mode.
    connection: Connection
    console: Console
    environment: Environment


async def drain(bench: Bench, plan: Plan, label: str, *, floor: bool = False) -> Run:
    """Fills the table, then has `currantd` drain it, until all is done or the duration is over.

    Args:
        floor: measure the SQL floor as well, as many rows, half of them before and half after the drain: a machine that
            others use is not equally fast at two moments.

    Raises:
        BenchFailed: currantd ended, or nothing moved.
    """
    rows = plan.backlog_rows
    after_rows = rows // 2 if floor else 0
    await bench_queries.clear(bench.connection)
    if floor:
        with progress(bench.console, f"{label}: enqueueing for the floor", rows) as show:
            await _fill(bench.connection, FLOOR_QUEUE, rows, show)
    with progress(bench.console, f"{label}: enqueueing", rows) as show:
        await _fill(bench.connection, plan.queue_names[0], rows, show)
    await bench_queries.vacuum(bench.connection)
    before = await _floor(bench, plan, rows - after_rows) if floor else None
    with Node(plan, bench.url, bench.console) as node, live(bench.console, label, rows) as line:
        await node.ready()
        complete = await node.until_ended(
            rows,
            enqueued=lambda: rows,
            until_s=_until_s(plan),
            seen=lambda reply: line.show(ended(reply), sum(child.running for child in reply.children)),
        )
    after = await _floor(bench, plan, after_rows) if after_rows else None
    stretch = Stretch(
        label=label,
        jobs=rows,
        enqueued=rows,
        backlogged=True,
        cut_off=not complete,
        floor=_both(before, after) if before else None,
    )
    return await assemble(bench.connection, plan, stretch)


async def saturated(bench: Bench, plan: Plan, label: str, *, floor_per_s: float | None = None) -> Run:
    """Enqueues in bulk, as fast as the bounded backlog allows, in a process of its own, while `currantd` runs.

    Args:
        floor_per_s: beside which the throughput is set, from a drain of the same minutes.

    Raises:
        BenchFailed: currantd or the enqueuers ended, or nothing moved.
    """
    raise NotImplementedError


async def paced(bench: Bench, plan: Plan, label: str) -> Run:
    """Enqueues at the plan's rate, whatever becomes of it, while `currantd` runs: an open loop.

    Raises:
        BenchFailed: currantd or the enqueuers ended, or nothing moved.
    """
    raise NotImplementedError


async def idle(bench: Bench, plan: Plan, label: str) -> Run:
    """Has `currantd` run without work for the plan's `idle_s`.

    Raises:
        BenchFailed: currantd ended.
    """
    raise NotImplementedError


async def _fill(connection: Connection, queue: str, jobs: int, show: Show) -> None:
    execution = new_execution(NOOP._replace(queue=queue), b"[]", b"{}")
    for begin in range(0, jobs, ENQUEUE_ROWS):
        count = min(ENQUEUE_ROWS, jobs - begin)
        await enqueue(connection, new_ids(count), [execution] * count)
        show(begin + count)


async def _floor(bench: Bench, plan: Plan, rows: int) -> Pace:
    return await measure_floor(bench.url, rows, plan.warmup_rows(rows))


def _both(before: Pace, after: Pace | None) -> Floor:
    """Returns all the floor's executions over all its seconds."""
    both = before + after if after else before
    return Floor(per_s=both.per_s, before_per_s=before.per_s, after_per_s=after.per_s if after else None)


def _until_s(plan: Plan) -> float:
    return math.inf if plan.duration_s is None else time.monotonic() + plan.duration_s
