"""The ramp: what a claim costs when much or little waits. No node runs: the claims are made here, one at a time.

Each backlog is a table of its own, in a schema of its own, so that claims of all of them can be measured by turns:
what others do on the machine then meets all alike. What was claimed is completed, and as much enqueued anew, so that
each claim meets the same backlog, and rows that nobody has touched lately.
"""

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import NamedTuple

from currant.bench.jobs import NOOP
from currant.bench.measure import Bench
from currant.bench.plan import RAMP_ROWS_MIN, BenchFailed, Plan
from currant.bench.progress import progress
from currant.bench.results import Section
from currant.identifiers import new_ids, new_node_id
from currant.new_executions import new_execution
from currant.store import bench_queries, migrate, queries, server_queries
from currant.store.connections import Connection, connect
from currant.store.enqueue import enqueue
from currant.store.scratch import scratch_database
from currant.supervisor.claimer import CLAIM_BYTES_MAX

#: Rows of the claims: a full one, and a small one, as when a node has little room.
BATCHES = (RAMP_ROWS_MIN, 50)
#: The first ones are not counted. When they take longer than that, fewer do.
ROUNDS, ROUNDS_MIN, ROUNDS_WARMUP = 41, 5, 3
CLAIMS_S = 60.0
FILL_ROWS = 20_000
PAYLOAD_BYTES_MAX = 1 << 20

QUESTION = "Does a claim cost more when more waits?"


class Taken(NamedTuple):
    """What one claim took: milliseconds at the client, and looks at pages of the table and its indexes."""

    ms: float
    pages: int


class Backlog:
    """A table with so many pending executions, and a node that is registered there."""

    def __init__(self, connection: Connection, rows: int) -> None:
        self._connection = connection
        self._node = new_node_id()
        self.rows = rows
        self.taken: dict[int, list[Taken]] = defaultdict(list)

    async def fill(self, bench: Bench) -> None:
        await migrate.migrate(self._connection)
        with progress(bench.console, f"a backlog of {self.rows:,}", self.rows) as show:
            for first in range(1, self.rows + 1, FILL_ROWS):
                last = min(first + FILL_ROWS - 1, self.rows)
                await bench_queries.fill(self._connection, function=NOOP.name, queue=NOOP.queue, first=first, last=last)
                show(last)
        await bench_queries.vacuum(self._connection)
        await queries.register(self._connection, node=self._node, queues=[NOOP.queue], metadata={})

    async def claim(self, rows: int) -> Taken:
        """Claims once, and puts the table back into the state that it was in. Raises BenchFailed: a row was missing."""
        pages = await bench_queries.touched(self._connection)
        began_s = time.perf_counter()
        claim = await queries.claim(
            self._connection,
            node=self._node,
            queues=[NOOP.queue],
            rows=rows,
            look=rows,
            bytes_max=CLAIM_BYTES_MAX,
            payload_bytes_max=PAYLOAD_BYTES_MAX,
        )
        ms = 1000 * (time.perf_counter() - began_s)
        pages = await bench_queries.touched(self._connection) - pages
        completed = await queries.complete(self._connection, claim.executions, [b"null"] * len(claim.executions))
        if completed != rows:
            raise BenchFailed(f"of a claim of {rows} executions {completed} were claimed and completed")
        await enqueue(self._connection, new_ids(rows), [new_execution(NOOP, b"[]", b"{}")] * rows)
        return Taken(ms, pages)

    def ms(self, rows: int) -> float:
        return statistics.median(taken.ms for taken in self.taken[rows])

    def pages(self, rows: int) -> float:
        return statistics.median(taken.pages for taken in self.taken[rows])


async def run(bench: Bench, plan: Plan) -> Section:
    """Fills all backlogs, then claims from them by turns.

    Raises:
        BenchFailed: a claim or a completion missed rows.
    """
    with ExitStack() as schemas:
        backlogs: list[Backlog] = []
        connections: list[Connection] = []
        try:
            for rows in plan.ramp_rows:
                url = schemas.enter_context(scratch_database(bench.url, "bench_ramp")).url
                connections.append(await connect(url, "currant:bench-ramp", hot=True))
                backlogs.append(Backlog(connections[-1], rows))
                await backlogs[-1].fill(bench)
            with progress(bench.console, "claiming, round", ROUNDS) as show:
                await _claim_by_turns(backlogs, CLAIMS_S if plan.duration_s is None else plan.duration_s, show)
            sizes = [sum((await server_queries.sizes(connection)).values()) for connection in connections]
        finally:
            for connection in connections:
                await connection.close()
    return section(backlogs, sizes)


async def _claim_by_turns(backlogs: list[Backlog], seconds: float, show: Callable[[int], None]) -> None:
    began_s = time.monotonic()
    for number in range(-ROUNDS_WARMUP, ROUNDS):
        if number >= ROUNDS_MIN and time.monotonic() - began_s > seconds:
            return
        for rows in BATCHES:
            # Each round begins with another one: none is always the first after the other batch.
            first = number % len(backlogs)
            for backlog in backlogs[first:] + backlogs[:first]:
                taken = await backlog.claim(rows)
                if number >= 0:
                    backlog.taken[rows].append(taken)
        show(max(0, number + 1))


def section(backlogs: Sequence[Backlog], sizes: Sequence[int]) -> Section:
    """Returns what it comes to. `sizes`: the bytes of each backlog's table and indexes."""
    full = max(BATCHES)
    smallest, largest = backlogs[0], backlogs[-1]
    ratio = cost_ratio(smallest.taken[full], largest.taken[full])
    return Section(
        mode="ramp",
        question=QUESTION,
        answer=f"A claim of {full} costs {largest.ms(full):.2f} ms with {largest.rows:,} pending and"
        f" {smallest.ms(full):.2f} ms with {smallest.rows:,}: {ratio:.2f} ×.",
        runs=[],
        figures={"claim_cost_ratio": round(ratio, 3)},
        head=["pending", *(text for rows in BATCHES for text in (f"claim of {rows}, ms", "×", "pages")), "MB"],
        rows=[_row(backlog, smallest, size) for backlog, size in zip(backlogs, sizes, strict=True)],
    )


def _row(backlog: Backlog, smallest: Backlog, size: int) -> list[str]:
    row = [f"{backlog.rows:,}"]
    for rows in BATCHES:
        ratio = cost_ratio(smallest.taken[rows], backlog.taken[rows])
        row += [f"{backlog.ms(rows):.2f}", f"{ratio:.2f}", f"{backlog.pages(rows):,.0f}"]
    return [*row, f"{size / 1e6:,.0f}"]


def cost_ratio(small: Sequence[Taken], large: Sequence[Taken]) -> float:
    """Returns the median of the rounds' own ratios: both claims of a round met the same moment."""
    return statistics.median(high.ms / low.ms for low, high in zip(small, large, strict=True))
