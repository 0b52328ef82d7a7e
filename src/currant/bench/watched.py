"""A `currantd` that runs and is watched, and the feed beside it: from before its start to after its end."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import NamedTuple

from rich.console import Console

from currant.bench.feed import Feed
from currant.bench.node import Node, ended
from currant.bench.percentiles import percentiles
from currant.bench.plan import Plan
from currant.bench.progress import Live, live
from currant.bench.results import Environment
from currant.bench.sampler import Sampler
from currant.bench.server import Server
from currant.protocol.status import StatusReply
from currant.records import StatementUse
from currant.store import bench_queries, server_queries
from currant.store.connections import Connection
from currant.store.usage import Usage

INTERVAL_S = 0.25
#: The live p99 is of so many executions, and so often.
RECENT_ROWS, RECENT_S = 2000, 1.0


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

    @property
    def alone(self) -> bool:
        """Whether nobody else uses the server."""
        return self.environment.postgres_where == "throwaway"


class Watched(NamedTuple):
    """A `currantd` that is watched."""

    node: Node
    sampler: Sampler
    line: Live
    #: Unix time.
    began_s: float

    def seen(self, reply: StatusReply) -> None:
        """Shows how far it is."""
        self.line.show(ended(reply), sum(child.running for child in reply.children))

    async def after_warmup(self, plan: Plan) -> None:
        """Begins the measured part after its share of the time, where there is no number of jobs to go by."""
        if plan.jobs is None:
            assert plan.duration_s is not None
            await asyncio.sleep(plan.duration_s * plan.warmup_percent / 100)
            await self.sampler.begin()


@contextlib.asynccontextmanager
async def watched(
    bench: Bench,
    plan: Plan,
    label: str,
    total: int | None,
    *,
    warmup: int | None,
    interval_s: float = INTERVAL_S,
    feed: Feed | None = None,
) -> AsyncIterator[Watched]:
    """Starts a `currantd`, and watches it from when its children are ready to the end of the block.

    Args:
        total: how many jobs the line goes up to.
        warmup: how many come before the measured part; None: when `Sampler.begin` is called.
        feed: is made ready; at the plan's rate, or where there is none, for as fast as possible.

    Raises:
        BenchFailed: currantd or the feed ended, or is not ready in time.
    """
    # What it has sent before is in the server's baseline, and in no count of ours.
    await server_queries.tell(bench.connection)
    bench.connection.usage = Usage()
    server = await Server.open(bench.url)
    try:
        if feed is not None:
            await feed.ready(paced=plan.rate_per_s is not None)
        with Node(plan, bench.url, bench.console) as node:
            await node.ready()
            sampler = Sampler(
                node.status,
                server,
                warmup_jobs=warmup,
                interval_s=interval_s,
                helpers=lambda: feed.pids if feed else (),
                sent=lambda: _sent(feed, bench.connection),
            )
            async with sampler:
                with live(bench.console, label, total) as line:
                    yield Watched(node, sampler, line, time.time())
                await sampler.end()
        await sampler.audit(alone=bench.alone)
    finally:
        await server.close()


@contextlib.asynccontextmanager
async def showing_p99(bench: Bench, line: Live) -> AsyncIterator[None]:
    """Has the line show the p99 of what was enqueued last; only where somebody sees it, for it costs the database."""
    if not bench.console.is_terminal:
        yield
        return
    over = asyncio.Event()
    looking = asyncio.create_task(_look(bench.connection, line, over), name="p99")
    try:
        yield
    finally:
        over.set()
        await asyncio.wait((looking,))


async def _look(connection: Connection, line: Live, over: asyncio.Event) -> None:
    while not over.is_set():
        found = percentiles(await bench_queries.recent(connection, rows=RECENT_ROWS))
        line.p99_ms = None if found is None else found.p99
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(RECENT_S):
                await over.wait()


def _sent(feed: Feed | None, connection: Connection) -> dict[str, StatementUse]:
    """Returns what the bench has sent while it watched."""
    sent = connection.usage.snapshot()
    for name, use in (feed.statements if feed else {}).items():
        sent[name] = sent[name] + use if name in sent else use
    return sent
