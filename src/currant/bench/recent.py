"""The p99 of the last seconds, for people who watch a run at a rate: asked of the table, where a terminal is."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping

import psycopg

from currant.bench.progress import Live
from currant.errors import DatabaseError
from currant.records import StatementUse
from currant.store import bench_queries
from currant.store.connections import connect
from currant.store.usage import Usage

#: Each look costs the server some milliseconds, of a run that is measured: so there are few, at few rows.
EVERY_S, OF_S, ROWS = 2.0, 4.0, 4000


@contextlib.asynccontextmanager
async def watched(url: str, line: Live, *, on: bool, usage: Usage) -> AsyncIterator[None]:
    """Keeps the line's p99 up to date while the block runs. A database that does not answer is for others to notice.

    Args:
        on: whether anybody looks.
        usage: counts what it sends, for who compares that with the server's count.
    """
    if not on:
        yield
        return
    task = asyncio.create_task(_watch(url, line, usage), name="recent")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait((task,))


def both(one: Mapping[str, StatementUse], other: Mapping[str, StatementUse]) -> dict[str, StatementUse]:
    """Returns the sums of two counts, by name."""
    sums = dict(one)
    for name, use in other.items():
        had = sums.get(name, StatementUse(0, 0, 0.0))
        sums[name] = StatementUse(had.calls + use.calls, had.rows + use.rows, had.seconds + use.seconds)
    return sums


async def _watch(url: str, line: Live, usage: Usage) -> None:
    with contextlib.suppress(DatabaseError, psycopg.Error):
        connection = await connect(url, "currant:bench-recent", usage=usage)
        try:
            while True:
                await asyncio.sleep(EVERY_S)
                line.p99_ms = await bench_queries.recent_p99_ms(connection, rows=ROWS, seconds=OF_S)
        finally:
            await connection.close()
