"""From the plan to the report, on a database of its own."""

import asyncio
import signal

import psycopg
import uvloop
from rich.console import Console

from currant.bench.drain import Drain, measure_drain
from currant.bench.enqueue import measure_enqueue
from currant.bench.jobs import QUEUE
from currant.bench.latency import measure_latency
from currant.bench.plan import BenchFailed, Plan
from currant.bench.report import EnqueueReport, LatencyMs, Report
from currant.errors import DatabaseError
from currant.store import bench_queries, migrate
from currant.store.bench_queries import Latency
from currant.store.connections import Connection, connect
from currant.store.scratch import scratch_database


def run_bench(plan: Plan, url: str | None, console: Console, *, embedded: bool) -> Report | EnqueueReport:
    """Measures in a schema of its own of the user's database, or on a throwaway server where `url` is None.

    Args:
        embedded: the throwaway server was asked for, which is how it is announced.

    Raises:
        BenchFailed: there is no result; the end of currantd's log has been shown.
        DatabaseError, ConfigurationError, EmbeddedError: the database cannot be used.
        KeyboardInterrupt: SIGINT or SIGTERM; all is taken down again.
    """
    _interrupt_at_sigterm()
    try:
        with scratch_database(url, "bench") as scratch:
            reason = "--embedded is given: " if embedded else "" if url else "no CURRANT_DATABASE_URL is set: "
            console.print(reason + scratch.line, highlight=False, soft_wrap=True)
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                return runner.run(_measure(plan, scratch.url, console))
    except psycopg.Error as error:
        raise DatabaseError(f"the database refused or left: {' '.join(str(error).split())}") from error


async def _measure(plan: Plan, url: str, console: Console) -> Report | EnqueueReport:
    connection = await connect(url, "currant:bench")
    try:
        await migrate.migrate(connection)
        if plan.enqueuers is not None:
            return await _enqueue_report(plan, url, connection, console)
        drain = None
        if plan.rate_per_s is None:
            drain = await measure_drain(plan, url, connection, console)
        else:
            await measure_latency(plan, url, console)
        return await _report(plan, drain, connection)
    finally:
        await connection.close()


async def _report(plan: Plan, drain: Drain | None, connection: Connection) -> Report:
    tally = await bench_queries.tally(connection, queues=[QUEUE])
    latency = await bench_queries.latency(connection, queue=QUEUE, warmup=plan.warmup_rows(plan.jobs))
    if latency is None:
        raise BenchFailed(f"only {tally.completed:,} of {plan.jobs:,} executions completed: no more than the warm-up")
    floor = drain.floor if drain else None
    throughput_per_s = drain.drain.per_s if drain else _paced_per_s(latency)
    return Report(
        mode=plan.mode,
        workers=plan.workers,
        concurrency=plan.concurrency,
        rate_per_s=plan.rate_per_s,
        warmup_percent=plan.warmup_percent,
        jobs=plan.jobs,
        completed=tally.completed,
        lost=plan.jobs - tally.completed,
        doubled=tally.doubled,
        throughput_per_s=round(throughput_per_s, 1),
        floor_per_s=round(floor.per_s, 1) if floor else None,
        floor_before_per_s=round(drain.floor_before.per_s, 1) if drain else None,
        floor_after_per_s=round(drain.floor_after.per_s, 1) if drain and drain.floor_after else None,
        ratio_to_floor=round(throughput_per_s / floor.per_s, 3) if floor else None,
        latency_ms=LatencyMs(*(round(each, 3) for each in latency[:4])),
        postgres=connection.info.parameter_status("server_version") or "unknown",
    )


async def _enqueue_report(plan: Plan, url: str, connection: Connection, console: Console) -> EnqueueReport:
    single, bulk, crowd = await measure_enqueue(plan, url, connection, console)
    return EnqueueReport(
        mode=plan.mode,
        jobs=plan.jobs,
        enqueue_per_s=round(single.per_s, 1),
        enqueue_bare_per_s=round(single.bare_per_s, 1),
        enqueue_ratio=round(single.ratio, 3),
        enqueue_many_per_s=round(bulk.per_s, 1),
        enqueue_many_bare_per_s=round(bulk.bare_per_s, 1),
        enqueue_many_ratio=round(bulk.ratio, 3),
        enqueuers=crowd.enqueuers,
        enqueuers_per_s=round(crowd.per_s, 1),
        enqueuers_errors=crowd.errors,
        enqueuers_connections=crowd.connections,
        postgres=connection.info.parameter_status("server_version") or "unknown",
    )


def _paced_per_s(latency: Latency) -> float:
    return latency.executions / latency.seconds if latency.seconds > 0 else 0.0


def _interrupt_at_sigterm() -> None:
    """Makes a SIGTERM, and the terminal's end, go the way of Ctrl-C, which takes everything down."""
    # A shell without job control starts processes with SIGINT ignored: what is raised below would then be lost.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, lambda *_: signal.raise_signal(signal.SIGINT))
