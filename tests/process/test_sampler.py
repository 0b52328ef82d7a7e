"""The bench's sampler beside a real node: what it counts is what happened."""

import asyncio
import os
from pathlib import Path

import psycopg
import pytest

from currant.bench.sampler import Sampler
from currant.bench.server import Server
from currant.bench.window import Window
from currant.store import migrate
from currant.store.scratch import Scratch
from tests.conftest import empty_schema
from tests.nodes import World
from tests.support import comes_true

COUNT = 200
PROCS = 2


def watched(world: World, warmup: int, *, alone: bool = False, recycle: str = "") -> tuple[Window, Sampler]:
    """Watches a node that runs `echo` so many times, and ends."""

    async def watch() -> tuple[Window, Sampler]:
        server = await Server.open(world.url)
        try:
            node = world.start("--procs", str(PROCS), "--concurrency", "4", CURRANT_MAX_EXECUTIONS_PER_CHILD=recycle)
            await asyncio.to_thread(node.ready)
            async with Sampler(
                lambda: asyncio.to_thread(node.status), server, warmup_jobs=warmup, interval_s=0.02
            ) as sampler:
                await asyncio.to_thread(world.enqueue, "echo", count=COUNT)
                await comes_true(lambda: sampler.last and sampler.last.ended >= COUNT)
                await sampler.end()
            assert await asyncio.to_thread(node.stop) == 0
            await sampler.audit(alone=alone)
            return sampler.window(), sampler
        finally:
            await server.close()

    return asyncio.run(watch())


def test_the_whole_of_a_run_is_counted_where_there_is_no_warm_up(world: World) -> None:
    window, sampler = watched(world, 0)
    assert window.jobs == COUNT
    assert sum(child.executions for child in window.children) == COUNT
    assert len(window.children) == PROCS
    assert all(child.cpu_s > 0 and child.memory_bytes_max > 1 << 20 for child in window.children)
    assert window.utilization is not None
    assert 0 <= window.utilization <= 1
    assert window.cpu_s_per_1000 is not None
    assert min(window.cpu_s_per_1000.supervisor, window.cpu_s_per_1000.children, window.cpu_s_per_1000.bench) > 0
    if not os.environ.get("CURRANT_DATABASE_URL"):
        assert window.cpu_s_per_1000.postgres
    assert window.wal_bytes_per_job
    assert min(window.memory.supervisor, window.memory.children, window.memory.fork_server) > 1 << 20

    rows = {use.name: use.rows for use in window.statements}
    assert rows["claim"] + rows.get("claim_first", 0) == rows["complete"] == COUNT
    assert {use.who for use in window.statements} == {"currantd"}
    (check,) = window.checks
    assert check.ok, check.text
    assert window.server_transactions is not None
    assert window.server_transactions >= sum(use.calls for use in window.statements)

    course = sampler.series()
    assert round(sum(course.completed_per_s) * course.at_s[0]) == COUNT
    assert course.utilization.keys() == {child.child for child in window.children}


def test_the_warm_up_is_left_out_and_children_that_ended_keep_what_they_did(world: World) -> None:
    window, _ = watched(world, COUNT // 2, recycle="20")
    assert 0 < window.jobs <= COUNT
    # What was seen last of a child that ended in between may be a moment old.
    assert 0 < sum(child.executions for child in window.children) <= COUNT
    assert {child.child for child in window.children} >= set(range(PROCS))


def test_where_the_server_counts_by_text_every_statement_is_counted_alike(pg15: Scratch, tmp_path: Path) -> None:
    with empty_schema(pg15) as url, psycopg.connect(pg15.url, autocommit=True) as connection:
        if connection.execute("SHOW shared_preload_libraries").fetchone() != ("pg_stat_statements",):
            pytest.skip("this PostgreSQL 15 has no pg_stat_statements")
        connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements SCHEMA public")
        asyncio.run(migrate.migrate_at(url))
        world = World(url, tmp_path)
        try:
            window, _ = watched(world, 0, alone=True)
        finally:
            world.close()
    calls = {use.name: use.server_calls for use in window.statements}
    assert calls["claim"]
    assert calls["complete"]
    (check,) = window.checks
    assert check.ok, check.text
    assert "pg_stat_statements" in check.text
