"""The measured stretches that the modes are made of. Each starts on an empty table, with a `currantd` of its own."""

import contextlib
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import replace
from typing import Any

from currant.bench import checks
from currant.bench.assembly import Stretch, assemble, assemble_idle
from currant.bench.enqueuer import together
from currant.bench.feed import Feed
from currant.bench.floor import FLOOR_QUEUE, measure_floor
from currant.bench.modes import rest
from currant.bench.node import ended
from currant.bench.pace import Pace
from currant.bench.plan import JOBS, RATE_PER_S, Plan, QueueShare
from currant.bench.progress import progress
from currant.bench.results import Check, Floor, Run
from currant.bench.sampler import INTERVAL_PER_CHILD_S
from currant.bench.watched import Bench as Bench
from currant.bench.watched import Watched, showing_p99, watched
from currant.protocol.status import StatusReply
from currant.store import bench_queries

#: How often `currantd` is asked: a backlog is gone in seconds, and a saturating feed goes by what has ended.
DRAIN_INTERVAL_S, SATURATED_INTERVAL_S = 0.1, 0.1
#: A node at rest is left alone: each question would be work.
IDLE_INTERVAL_S = 5.0
#: After its start a node has things to see to.
SETTLE_S = 3.0


async def drain(bench: Bench, plan: Plan, label: str, *, floor: bool = False) -> Run:
    """Has `currantd` drain a backlog, until all is done or the duration is over.

    The backlog is enqueued before, and committed when all children are ready: their start is no part of the drain.

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
        of_floor = replace(plan, queues=(QueueShare(FLOOR_QUEUE, 1.0),))
        async with _prefilled(bench, of_floor, f"{label}: enqueueing for the floor", rows) as commit:
            await commit()
    await bench_queries.vacuum(bench.connection)
    before = await _floor(bench, plan, rows - after_rows) if floor else None
    warmup = plan.warmup_rows(rows)
    # Not before the floor: what that claimed could not be cleared away while this transaction is open.
    async with _prefilled(bench, plan, f"{label}: enqueueing", rows) as commit:
        async with watched(bench, plan, label, rows, warmup=warmup, interval_s=DRAIN_INTERVAL_S) as running:
            await commit()
            complete = await running.node.until_ended(
                lambda: rows,
                enqueued=lambda: rows,
                until_s=_until_s(plan),
                seen=running.seen,
                poll_s=max(DRAIN_INTERVAL_S, INTERVAL_PER_CHILD_S * plan.workers),
            )
    after = await _floor(bench, plan, after_rows) if after_rows else None
    stretch = Stretch(
        label=label,
        began_s=running.began_s,
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


async def saturated(bench: Bench, plan: Plan, label: str) -> Run:
    """Enqueues in bulk, as fast as the bounded backlog allows, in a process of its own, while `currantd` runs.

    Raises:
        BenchFailed: currantd or the enqueuers ended, or nothing moved.
    """
    jobs = JOBS if plan.jobs is None and plan.duration_s is None else plan.jobs
    plan = replace(plan, jobs=jobs, rate_per_s=None)
    await bench_queries.clear(bench.connection)
    warmup = None if jobs is None else plan.warmup_rows(jobs)
    async with Feed(bench.url, plan, offset_s=bench.offset_s) as feed:
        async with watched(
            bench, plan, label, jobs, warmup=warmup, interval_s=SATURATED_INTERVAL_S, feed=feed
        ) as running:
            until_s = _until_s(plan)

            def seen(reply: StatusReply) -> None:
                running.seen(reply)
                feed.note_completed(ended(reply))

            watching = running.node.until_ended(
                lambda: feed.total,
                enqueued=lambda: feed.enqueued,
                until_s=until_s,
                seen=seen,
                poll_s=SATURATED_INTERVAL_S,
            )
            complete = await _beside(feed.saturate(until_s), running.after_warmup(plan), watching)
        stretch = _of_feed(bench, running, feed, plan.enqueue or "many", label, jobs, warmup, cut_off=not complete)
    return await assemble(bench.connection, plan, replace(stretch, backlogged=True), running.sampler)


async def paced(bench: Bench, plan: Plan, label: str) -> Run:
    """Enqueues at the plan's rate, whatever becomes of it, while `currantd` runs: an open loop.

    Ends when all that was enqueued has ended, also where the duration ends the enqueues.

    Raises:
        BenchFailed: currantd or the enqueuers ended, or nothing moved.
    """
    rate_per_s = plan.rate_per_s or RATE_PER_S
    jobs = JOBS if plan.jobs is None and plan.duration_s is None else plan.jobs
    plan = replace(plan, jobs=jobs, rate_per_s=rate_per_s)
    by_time = math.inf if plan.duration_s is None else plan.duration_s * rate_per_s
    expected = max(1, round(min(math.inf if jobs is None else jobs, by_time)))
    await bench_queries.clear(bench.connection)
    warmup = plan.warmup_rows(expected)
    async with Feed(bench.url, plan, offset_s=bench.offset_s) as feed:
        async with watched(bench, plan, label, expected, warmup=warmup, feed=feed) as running:
            watching = running.node.until_ended(lambda: feed.total, enqueued=lambda: feed.enqueued, seen=running.seen)
            async with showing_p99(bench, running.line):
                await _beside(feed.paced(_until_s(plan)), watching)
        stretch = _of_feed(bench, running, feed, plan.enqueue or "single", label, jobs, warmup, cut_off=False)
        held = checks.rate_held(
            asked_per_s=rate_per_s,
            intended_per_s=feed.intended_per_s or rate_per_s,
            reached_per_s=feed.per_s or rate_per_s,
            seconds=expected / rate_per_s,
            late=feed.late,
        )
    stretch = replace(stretch, rate_per_s=rate_per_s, intended_s=feed.intended, checks=(*stretch.checks, held))
    return await assemble(bench.connection, plan, stretch, running.sampler)


async def idle(bench: Bench, plan: Plan, label: str) -> Run:
    """Has `currantd` run without work for the plan's `idle_s`.

    Raises:
        BenchFailed: currantd ended.
    """
    await bench_queries.clear(bench.connection)
    async with watched(bench, plan, label, None, warmup=None, interval_s=IDLE_INTERVAL_S) as running:
        await running.node.rest(SETTLE_S)
        connections = await bench_queries.connections(bench.connection)
        await running.sampler.begin()
        begin = rest.look(await running.node.status())
        await running.node.rest(plan.idle_s)
        used = begin.until(rest.look(await running.node.status()))
    return assemble_idle(plan, label, running.sampler, {**used, "connections": connections})


async def _beside(*works: Coroutine[Any, Any, Any]) -> Any:
    """Runs them until all have ended, or one has failed; returns the last one's result."""
    *others, last = works
    results: list[Any] = []

    async def keep() -> None:
        results.append(await last)

    await together(*others, keep())
    return results[0]


@contextlib.asynccontextmanager
async def _prefilled(bench: Bench, plan: Plan, text: str, rows: int) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    async with contextlib.AsyncExitStack() as stack:
        with progress(bench.console, text, rows) as show:
            commit = await stack.enter_async_context(Feed(bench.url, plan).prefilled(show, rows))
        yield commit


def _of_feed(
    bench: Bench,
    running: Watched,
    feed: Feed,
    way: str,
    label: str,
    jobs: int | None,
    warmup: int | None,
    *,
    cut_off: bool,
) -> Stretch:
    plain = Check(
        name="every enqueue written",
        ok=not feed.errors,
        text=f"{feed.errors:,} of {feed.begun:,} enqueues failed" + (f": {feed.error}" if feed.error else ""),
    )
    return Stretch(
        label=label,
        began_s=running.began_s,
        jobs=jobs,
        enqueued=feed.enqueued,
        enqueue=way,
        enqueuers=feed.enqueuers or 1,
        backlogged=False,
        cut_off=cut_off,
        warmup_jobs=warmup,
        offset_s=bench.offset_s,
        enqueue_per_s=feed.per_s,
        checks=(plain,),
    )


async def _floor(bench: Bench, plan: Plan, rows: int) -> Pace:
    return await measure_floor(bench.url, rows, plan.warmup_rows(rows))


def _both(before: Pace, after: Pace | None) -> Floor:
    """Returns all the floor's executions over all its seconds."""
    both = before + after if after else before
    return Floor(per_s=both.per_s, before_per_s=before.per_s, after_per_s=after.per_s if after else None)


def _until_s(plan: Plan) -> float:
    return math.inf if plan.duration_s is None else time.monotonic() + plan.duration_s
