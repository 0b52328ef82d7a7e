"""The two parts of the soak: many executions, then some more with a transaction open elsewhere."""

import time
from dataclasses import dataclass

from psycopg import IsolationLevel
from rich.console import Console

from benchmarks.soak.course import Course, Look
from benchmarks.soak.load import Load
from benchmarks.soak.outcome import Chunk, Stretch
from currant.bench.progress import progress
from currant.protocol.status import StatusReply
from currant.records import StatementUse
from currant.store import bench_queries, queries, server_queries
from currant.store.connections import Connection, connect

#: The time with the transaction open is told of in so many parts: does the cost grow with it?
PARTS = 6
#: What may go by between two parts, in all.
SLACK_S = 3.0
#: Of the time that the transaction is open, before and after it.
ASIDE = 1 / 3


@dataclass(frozen=True)
class Soak:
    """What both parts are measured with."""

    url: str
    connection: Connection
    load: Load
    console: Console


async def run_many(soak: Soak, jobs: int, chunk: int) -> list[Chunk]:
    """Runs so many executions, and looks at the table after each `chunk` of them.

    Raises:
        BenchFailed, DatabaseError: the node has ended, or the database does not take an execution.
    """
    chunks: list[Chunk] = []
    with progress(soak.console, "executions", jobs) as show:
        async with soak.load.enqueueing(jobs):
            course = Course(chunk, Look(time.monotonic(), soak.load.done))
            while soak.load.done < jobs:
                at_s, _ = await soak.load.look()
                show(soak.load.done)
                for per_s in course.note(Look(at_s, soak.load.done)):
                    upkeep = await bench_queries.upkeep(soak.connection)
                    sizes = await server_queries.sizes(soak.connection)
                    chunks.append(Chunk((len(chunks) + 1) * chunk, per_s, sizes, *upkeep))
    return chunks


async def run_held(soak: Soak, held_s: float) -> list[Stretch]:
    """Runs executions on the emptied table before, while and after a transaction is open elsewhere for so long.

    Raises:
        BenchFailed, DatabaseError: the node has ended, or the database does not take an execution.
    """
    await bench_queries.clear(soak.connection)
    part_s = held_s / PARTS
    stretches: list[Stretch] = []
    with progress(soak.console, "stretches around a long transaction", PARTS + 3) as show:
        async with soak.load.enqueueing(None, part_s + held_s * (1 + 2 * ASIDE) + SLACK_S):
            stretches.append(await _stretch(soak, "warming up", part_s))
            show(1)
            stretches[0] = await _stretch(soak, "before", held_s * ASIDE)
            show(2)
            holder = await connect(soak.url, "currant:soak-holder")
            try:
                await holder.set_isolation_level(IsolationLevel.REPEATABLE_READ)
                async with holder.transaction():
                    # Its first statement takes the snapshot for which vacuum must keep everything from now on; the id
                    # makes it one that writes.
                    await queries.transaction_id(holder)
                    for number in range(PARTS):
                        name = f"open, {number * part_s:.0f} to {(number + 1) * part_s:.0f} s"
                        stretches.append(await _stretch(soak, name, part_s))
                        show(3 + number)
            finally:
                await holder.close()
            stretches.append(await _stretch(soak, "after", held_s * ASIDE))
            show(3 + PARTS)
    return stretches


async def _stretch(soak: Soak, name: str, seconds: float) -> Stretch:
    began_s, reply = await soak.load.look()
    before, done = _claims(reply), soak.load.done
    at_s = began_s
    while at_s - began_s < seconds:
        at_s, reply = await soak.load.look()
    after = _claims(reply)
    rows = after.rows - before.rows
    return Stretch(
        name=name,
        seconds=at_s - began_s,
        per_s=(soak.load.done - done) / (at_s - began_s),
        claims=after.calls - before.calls,
        rows=rows,
        claim_us_per_row=1e6 * (after.seconds - before.seconds) / rows if rows else 0.0,
        dead=(await bench_queries.upkeep(soak.connection)).dead,
    )


def _claims(reply: StatusReply) -> StatementUse:
    uses = [reply.statements[name] for name in ("claim", "claim_first") if name in reply.statements]
    return sum(uses, StatementUse(0, 0, 0.0))
