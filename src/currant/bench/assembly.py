"""From what a stretch left in the table, and what was seen meanwhile, to its Run."""

from dataclasses import dataclass

from currant.bench import checks
from currant.bench.pace import pace_of
from currant.bench.plan import BenchFailed, Plan
from currant.bench.results import Floor, Percentiles, Run
from currant.store import bench_queries
from currant.store.connections import Connection


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """What is known of a stretch beside the table."""

    label: str
    #: How many were meant to be enqueued, and were.
    jobs: int | None
    enqueued: int
    backlogged: bool
    #: Whether the time ended it, and what is pending was left on purpose.
    cut_off: bool = False
    floor: Floor | None = None


async def assemble(connection: Connection, plan: Plan, stretch: Stretch) -> Run:
    """Returns the figures. Raises BenchFailed when there are none: nothing completed."""
    tally = await bench_queries.tally(connection, queue=plan.queue_names[0])
    batches = await bench_queries.batches(connection, queue=plan.queue_names[0])
    latency = await bench_queries.latency(
        connection, queue=plan.queue_names[0], warmup=plan.warmup_rows(tally.completed)
    )
    if not batches or latency is None:
        raise BenchFailed(f"{stretch.label}: no execution completed")
    pace = pace_of(batches, plan.warmup_rows(tally.completed))
    per_s = pace.per_s
    if not stretch.backlogged and latency.seconds > 0:
        per_s = latency.executions / latency.seconds
    lost = stretch.enqueued - tally.completed
    return Run(
        label=stretch.label,
        workers=plan.workers,
        concurrency=plan.concurrency,
        job=plan.job.text,
        queues=dict(plan.queues),
        payload_bytes=plan.payload_bytes,
        rate_per_s=None if stretch.backlogged else plan.rate_per_s,
        arrivals=None if stretch.backlogged else plan.arrivals,
        enqueue=plan.enqueue or ("many" if stretch.backlogged else "single"),
        enqueuers=plan.enqueuers or 1,
        seed=plan.seed,
        jobs=stretch.jobs,
        enqueued=stretch.enqueued,
        completed=tally.completed,
        failed=0,
        retries=0,
        lost=lost,
        doubled=tally.doubled,
        warmup_jobs=plan.warmup_rows(tally.completed),
        seconds=latency.seconds,
        throughput_per_s=per_s,
        complete_ms=Percentiles(
            count=latency.executions,
            p50=latency.p50,
            p90=latency.p95,
            p95=latency.p95,
            p99=latency.p99,
            p999=latency.max,
            max=latency.max,
            mean=latency.p50,
        ),
        backlogged=stretch.backlogged,
        floor=stretch.floor,
        checks=[checks.every_execution_once(enqueued=stretch.enqueued, lost=lost, doubled=tally.doubled, left=0)],
    )
