"""The measured stretches that the modes are made of. Each starts on an empty table, with a `currantd` of its own."""

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from rich.console import Console

from currant.bench.assembly import Stretch, assemble
from currant.bench.floor import FLOOR_QUEUE, measure_floor
from currant.bench.jobs import NOOP, STAMP
from currant.bench.node import Node, ended
from currant.bench.pace import Pace
from currant.bench.plan import ENQUEUERS_SINGLE, JOBS_MAX, RATE_PER_S, BenchFailed, Plan
from currant.bench.progress import Live, Show, live, progress
from currant.bench.results import Environment, Floor, Run
from currant.bench.sampler import Sampler
from currant.bench.server import Server
from currant.identifiers import new_ids
from currant.new_executions import new_execution
from currant.protocol.status import StatusReply
from currant.store import bench_queries
from currant.store.connections import Connection
from currant.store.enqueue import enqueue

#: In a statement, as `enqueue_many` does it.
ENQUEUE_ROWS = 1000
#: A backlog is gone in seconds: it is looked at more often.
DRAIN_INTERVAL_S, INTERVAL_S = 0.1, 0.25


@dataclass(frozen=True)
class Bench:
    """What all stretches are measured with."""

    url: str
    #: For what the bench asks of its own table; in autocommit mode.
    connection: Connection
    console: Console
    environment: Environment
    #: By how much the database's clock is ahead of this machine's.
    offset_s: float = 0.0


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
    warmup = plan.warmup_rows(rows)
    async with _running(bench, plan, label, rows, warmup, interval_s=DRAIN_INTERVAL_S) as running:
        complete = await running.node.until_ended(
            rows, enqueued=lambda: rows, until_s=_until_s(plan), seen=running.seen
        )
    after = await _floor(bench, plan, after_rows) if after_rows else None
    stretch = Stretch(
        label=label,
        jobs=rows,
        enqueued=rows,
        enqueue="many",
        enqueuers=1,
        backlogged=True,
        cut_off=not complete,
        warmup_jobs=warmup,
        offset_s=bench.offset_s,
        floor=_both(before, after) if before else None,
    )
    return await assemble(bench.connection, plan, stretch, running.sampler)


async def saturated(bench: Bench, plan: Plan, label: str, *, floor_per_s: float | None = None) -> Run:
    """Enqueues in bulk, as fast as the bounded backlog allows, in a process of its own, while `currantd` runs.

    Args:
        floor_per_s: beside which the throughput is set, from a drain of the same minutes.

    Raises:
        BenchFailed: currantd or the enqueuers ended, or nothing moved.
    """
    raise BenchFailed("saturated runs are not there yet")


async def paced(bench: Bench, plan: Plan, label: str) -> Run:
    """Enqueues at the plan's rate, whatever becomes of it, while `currantd` runs: an open loop.

    Raises:
        BenchFailed: currantd or the enqueuers ended, or nothing moved.
    """
    rate_per_s = plan.rate_per_s or RATE_PER_S
    plan = replace(plan, rate_per_s=rate_per_s)
    jobs = plan.jobs or JOBS_MAX
    if plan.duration_s is not None:
        jobs = min(jobs, max(1, round(plan.duration_s * rate_per_s)))
    await bench_queries.clear(bench.connection)
    enqueued = 0

    async def feed() -> None:
        nonlocal enqueued
        began_s = time.monotonic()
        for number in range(jobs):
            await asyncio.sleep(began_s + number / rate_per_s - time.monotonic())
            await enqueue(bench.connection, new_ids(1), [new_execution(STAMP, b"[]", b"{}")])
            enqueued += 1

    warmup = plan.warmup_rows(jobs)
    began_s = time.monotonic()
    async with _running(bench, plan, label, jobs, warmup) as running:
        feeding = asyncio.create_task(feed())
        try:
            await running.node.until_ended(jobs, enqueued=lambda: enqueued, seen=running.seen)
            await feeding
        finally:
            feeding.cancel()
    reached_per_s = jobs / (time.monotonic() - began_s)
    stretch = Stretch(
        label=label,
        jobs=jobs,
        enqueued=enqueued,
        enqueue=plan.enqueue or "single",
        enqueuers=plan.enqueuers or ENQUEUERS_SINGLE,
        rate_per_s=rate_per_s,
        backlogged=False,
        warmup_jobs=warmup,
        offset_s=bench.offset_s,
        enqueue_per_s=reached_per_s,
    )
    return await assemble(bench.connection, plan, stretch, running.sampler)


async def idle(bench: Bench, plan: Plan, label: str) -> Run:
    """Has `currantd` run without work for the plan's `idle_s`.

    Raises:
        BenchFailed: currantd ended.
    """
    raise BenchFailed("idle runs are not there yet")


class _Running(NamedTuple):
    """A `currantd` that is watched."""

    node: Node
    sampler: Sampler
    line: Live

    def seen(self, reply: StatusReply) -> None:
        self.line.show(ended(reply), sum(child.running for child in reply.children))


@contextlib.asynccontextmanager
async def _running(
    bench: Bench, plan: Plan, label: str, total: int | None, warmup: int | None, *, interval_s: float = INTERVAL_S
) -> AsyncIterator[_Running]:
    """Starts a `currantd`, and watches it from when its children are ready to the end of the block."""
    server = await Server.open(bench.url)
    try:
        with Node(plan, bench.url, bench.console) as node:
            await node.ready()
            async with Sampler(node.status, server, warmup_jobs=warmup, interval_s=interval_s) as sampler:
                with live(bench.console, label, total) as line:
                    yield _Running(node, sampler, line)
                await sampler.end()
    finally:
        await server.close()


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
