"""The bench's sampler beside a real node: what it counts is what happened."""

import asyncio
import os

from currant.bench.sampler import Sampler, Window
from currant.bench.server import Server
from tests.nodes import Node, World
from tests.support import comes_true

COUNT = 200
PROCS = 2


def watched(world: World, node: Node, warmup: int) -> tuple[Window, Sampler]:
    async def watch() -> tuple[Window, Sampler]:
        server = await Server.open(world.url)
        try:
            async with Sampler(
                lambda: asyncio.to_thread(node.status), server, warmup_jobs=warmup, interval_s=0.02
            ) as sampler:
                await asyncio.to_thread(world.enqueue, "echo", count=COUNT)
                await comes_true(lambda: sampler.last and sampler.last.ended >= COUNT)
                await sampler.end()
            return sampler.window(), sampler
        finally:
            await server.close()

    return asyncio.run(watch())


def test_the_whole_of_a_run_is_counted_where_there_is_no_warm_up(world: World) -> None:
    node = world.node("--procs", str(PROCS), "--concurrency", "4")
    window, sampler = watched(world, node, 0)
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

    course = sampler.series()
    assert round(sum(course.completed_per_s) * course.at_s[0]) == COUNT
    assert course.utilization.keys() == {child.child for child in window.children}


def test_the_warm_up_is_left_out_and_children_that_ended_keep_what_they_did(world: World) -> None:
    node = world.node("--procs", str(PROCS), "--concurrency", "4", CURRANT_MAX_EXECUTIONS_PER_CHILD="20")
    window, _ = watched(world, node, COUNT // 2)
    assert 0 < window.jobs <= COUNT
    # What was seen last of a child that ended in between may be a moment old.
    assert 0 < sum(child.executions for child in window.children) <= COUNT
    assert {child.child for child in window.children} >= set(range(PROCS))
