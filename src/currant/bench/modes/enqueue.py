"""The enqueue, beside the bare statement: alternating on the same table, so that both meet the same moments."""

import asyncio
import statistics
import time
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

from currant.backends import installed
from currant.bench.jobs import NOOP
from currant.bench.measure import Bench
from currant.bench.plan import ENQUEUERS_CROWD, JOBS, PAYLOAD_BYTES_MAX, Plan
from currant.bench.progress import progress
from currant.bench.results import Check, Section
from currant.client import DatabaseBackend
from currant.errors import DatabaseError
from currant.identifiers import new_ids
from currant.jobs import AsyncJob, enqueue_many
from currant.new_executions import new_execution
from currant.store import bench_queries
from currant.store.connections import Connection
from currant.store.enqueue import enqueue

ROUNDS = 7
#: Single enqueues of both kinds change places so often in a round: what others do on the machine then meets both.
SLICES = 20
#: As many rows as `enqueue_many` writes in a statement.
BATCH_ROWS = 1000


class Pair(NamedTuple):
    """A second's enqueues, as medians over the rounds: ours, the bare statement's, and the ratio within a round."""

    per_s: float
    bare_per_s: float
    ratio: float


class Crowd(NamedTuple):
    """What `enqueuers` concurrent callers of `.queue()` met: a second's enqueues, errors, and the most connections."""

    enqueuers: int
    per_s: float
    errors: int
    connections: int


class Enqueues(NamedTuple):
    """What was measured."""

    single: Pair
    bulk: Pair
    crowd: Crowd


async def run(bench: Bench, plan: Plan) -> Section:
    """Measures `.queue()` one by one, `enqueue_many`, and many callers at once, with payloads of `{}` and `[]`.

    Raises:
        DatabaseError: a single or a bulk enqueue could not be written.
    """
    jobs = plan.jobs or JOBS
    await bench_queries.clear(bench.connection)
    single, bulk, crowd = await _measure(bench, jobs, plan.enqueuers or ENQUEUERS_CROWD)
    return Section(
        mode="enqueue",
        question="How many jobs a second does one process enqueue, and how near is that to the bare INSERT?",
        answer=f"{single.per_s:,.0f} a second one by one, {single.ratio:.2f} × the bare INSERT; {bulk.per_s:,.0f} with"
        f" enqueue_many, {bulk.ratio:.2f} × the bare one of {BATCH_ROWS:,} rows; {crowd.per_s:,.0f} by"
        f" {crowd.enqueuers:,} callers at once over {crowd.connections} connections.",
        runs=[],
        figures={
            "enqueue_per_s": single.per_s,
            "enqueue_ratio": single.ratio,
            "enqueue_many_per_s": bulk.per_s,
            "enqueue_many_ratio": bulk.ratio,
            "enqueue_crowd_per_s": crowd.per_s,
        },
        checks=[
            Check(
                name="every enqueue written",
                ok=not crowd.errors,
                text=f"{crowd.errors:,} enqueues of {crowd.enqueuers:,} concurrent callers failed",
            )
        ],
        head=["", "Currant, 1/s", "bare INSERT, 1/s", "ratio"],
        rows=[_row(".queue() one by one", single), _row("enqueue_many", bulk)],
    )


async def _measure(bench: Bench, jobs: int, enqueuers: int) -> Enqueues:
    job = AsyncJob[[], None](NOOP)
    backend = DatabaseBackend(bench.url, payload_bytes_max=PAYLOAD_BYTES_MAX)
    bare = _Bare(bench.connection)
    one_by_one = max(1, jobs // 10)
    singles: list[tuple[float, float]] = []
    bulks: list[tuple[float, float]] = []
    crowds: list[tuple[float, int]] = []
    with installed(backend), progress(bench.console, "enqueueing, round", ROUNDS) as show:
        # What the first use makes: the connection, the prepared statements.
        await bare.single(1)
        await bare.bulk(min(jobs, BATCH_ROWS))
        await _single(job, 1)
        await _bulk(job, jobs)
        for number in range(ROUNDS):
            singles.append(await _beside(one_by_one, SLICES, bare.single, lambda n: _single(job, n)))
            bulks.append(await _beside(jobs, 1, bare.bulk, lambda n: _bulk(job, n)))
            crowds.append(await _crowd(job, jobs, enqueuers))
            show(number + 1)
        peak = backend.peak
        await backend.close()
    per_s = statistics.median(each for each, _ in crowds)
    return Enqueues(_pair(singles), _pair(bulks), Crowd(enqueuers, per_s, sum(errors for _, errors in crowds), peak))


def _row(what: str, pair: Pair) -> list[str]:
    return [what, f"{pair.per_s:,.0f}", f"{pair.bare_per_s:,.0f}", f"{pair.ratio:.2f}"]


class _Bare:
    """The statements alone, of rows that are ready, on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._execution = new_execution(NOOP, b"[]", b"{}")

    async def single(self, count: int) -> None:
        for id in new_ids(count):
            await bench_queries.insert_one(self._connection, id, function=NOOP.name, queue=NOOP.queue)

    async def bulk(self, count: int) -> None:
        for begin in range(0, count, BATCH_ROWS):
            rows = min(BATCH_ROWS, count - begin)
            await enqueue(self._connection, new_ids(rows), [self._execution] * rows)


async def _single(job: AsyncJob[[], None], count: int) -> None:
    for _ in range(count):
        await job.queue()


async def _bulk(job: AsyncJob[[], None], count: int) -> None:
    await enqueue_many(job.call() for _ in range(count))


async def _crowd(job: AsyncJob[[], None], count: int, enqueuers: int) -> tuple[float, int]:
    """Returns the pace, and how many enqueues failed."""
    left, errors = count, 0

    async def enqueue_in_turn() -> None:
        nonlocal left, errors
        while left > 0:
            left -= 1
            try:
                await job.queue()
            except DatabaseError:
                errors += 1

    began_s = time.perf_counter()
    await asyncio.gather(*(enqueue_in_turn() for _ in range(enqueuers)))
    return count / (time.perf_counter() - began_s), errors


async def _beside(
    count: int,
    slices: int,
    bare: Callable[[int], Coroutine[Any, Any, None]],
    ours: Callable[[int], Coroutine[Any, Any, None]],
) -> tuple[float, float]:
    """Returns both paces over `count` rows each, by turns in so many slices."""
    each = -(-count // slices)
    bare_s = ours_s = 0.0
    for _ in range(slices):
        began_s = time.perf_counter()
        await bare(each)
        half_s = time.perf_counter()
        await ours(each)
        bare_s += half_s - began_s
        ours_s += time.perf_counter() - half_s
    return each * slices / bare_s, each * slices / ours_s


def _pair(rounds: list[tuple[float, float]]) -> Pair:
    return Pair(
        per_s=statistics.median(ours for _, ours in rounds),
        bare_per_s=statistics.median(bare for bare, _ in rounds),
        ratio=statistics.median(ours / bare for bare, ours in rounds),
    )
