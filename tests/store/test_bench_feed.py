"""The bench's enqueues: as many, as large and when they are meant to be, and counted from then."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from currant.bench.feed import Feed
from currant.bench.jobs import JobSpec
from currant.bench.plan import BenchFailed, Plan, QueueShare
from tests.store.support import column, connected, fetch, one
from tests.support import in_loop

QUEUES = (QueueShare("one", 0.7), QueueShare("two", 0.3))


@asynccontextmanager
async def feeding(url: str, **wanted: Any) -> AsyncIterator[Feed]:
    async with Feed(url, Plan(**{"workers": 1, "jobs": 1000, "queues": QUEUES, "seed": 3, **wanted})) as feed:
        yield feed


async def eventually(running: "asyncio.Task[None]", condition: Callable[[], bool]) -> None:
    """Returns when the condition is true; raises what ended the feed before."""
    while not condition():
        await asyncio.wait({running}, timeout=0.01)
        if running.done():
            await running
            assert condition()


@in_loop
async def test_prefilled_rows_are_shared_out_and_of_the_size_that_was_asked_for(url: str) -> None:
    shown: list[int] = []
    async with feeding(url, jobs=1500, payload_bytes=100) as feed, connected(url) as connection:
        async with feed.prefilled(shown.append) as commit:
            assert await fetch(connection, "SELECT count(*) FROM executions") == [(0,)]
            await commit()
        counts = dict(await fetch(connection, "SELECT queue, count(*) FROM executions GROUP BY queue"))
        ((args,),) = await fetch(connection, "SELECT DISTINCT args::text FROM executions")
    assert shown == [1000, 1500]
    assert counts["one"] + counts["two"] == 1500
    assert abs(counts["one"] - 1050) <= 2
    assert len(args) == len("[]") + 100
    assert len(json.loads(args)[0]) == 98


@in_loop
async def test_failing_and_mixed_jobs_have_their_exact_shares(url: str) -> None:
    spec = JobSpec(kind="mixed", mix=(("fail", 0.5), ("noop", 0.5)), fail_percent=20, retries=2)
    async with feeding(url, job=spec) as feed, feed.prefilled(lambda _: None) as commit:
        await commit()
    async with connected(url) as connection:
        rows = await fetch(
            connection, "SELECT function_name, args::text, max_retries, count(*) FROM executions GROUP BY 1, 2, 3"
        )
    counts = {(function, args, retries): count for function, args, retries, count in rows}
    assert counts.keys() == {
        ("currant.bench.fail", "[true]", 2),
        ("currant.bench.fail", "[false]", 2),
        ("currant.bench.noop", "[]", 3),
    }
    assert abs(counts["currant.bench.fail", "[true]", 2] - 100) <= 4
    assert abs(counts["currant.bench.noop", "[]", 3] - 500) <= 4


@in_loop
@pytest.mark.parametrize(("enqueue", "arrivals"), [("single", "even"), ("many", "poisson")])
async def test_paced_rows_are_enqueued_at_or_after_their_intended_moments(
    url: str, enqueue: str, arrivals: str
) -> None:
    async with feeding(url, jobs=300, rate_per_s=1000.0, enqueue=enqueue, arrivals=arrivals) as feed:
        await feed.paced()
    async with connected(url) as connection:
        created = dict(await fetch(connection, "SELECT id, extract(epoch FROM created_at)::float8 FROM executions"))
        functions = set(await column(connection, "SELECT function_name FROM executions"))
    assert (feed.enqueued, feed.errors, feed.error) == (300, 0, None)
    assert 1 <= sum(use.calls for name, use in feed.statements.items() if name.startswith("enqueue")) <= 300
    assert feed.intended.keys() == created.keys()
    # The two clocks are one, read at different moments, and timestamps have whole microseconds.
    assert all(created[id] > moment - 0.001 for id, moment in feed.intended.items())
    assert functions == {"currant.bench.stamp"}
    moments = sorted(feed.intended.values())
    assert feed.intended_per_s == pytest.approx(299 / (moments[-1] - moments[0]), rel=0.01)
    assert feed.per_s is not None
    if arrivals == "even":
        assert moments[-1] - moments[0] == pytest.approx(0.299, abs=1e-5)


@in_loop
async def test_a_stall_shows_in_the_latencies_of_all_that_were_meant_for_it(url: str) -> None:
    """Counted from when each enqueue began, two would show it: those that the stall met."""
    stall_s, rate_per_s = 1.0, 100.0
    async with connected(url) as connection, feeding(url, jobs=120, rate_per_s=rate_per_s, enqueuers=2) as feed:
        await feed.ready(paced=True)
        async with connection.transaction():
            await fetch(connection, "LOCK TABLE executions IN SHARE MODE")
            running = asyncio.create_task(feed.paced())
            await eventually(running, lambda: feed.begun > 0)
            await asyncio.sleep(stall_s)
        await running
        rows = await fetch(connection, "SELECT id, extract(epoch FROM created_at)::float8 FROM executions")
    assert (feed.enqueued, feed.errors) == (120, 0)
    late = [created_s - feed.intended[id] for id, created_s in rows]
    # Those meant for the first half of the stall waited for at least its second half.
    assert sum(each > stall_s / 2 for each in late) >= stall_s / 2 * rate_per_s
    assert feed.late > 0.5


@in_loop
async def test_saturating_feed_keeps_its_bound_until_something_ends(url: str) -> None:
    async with connected(url) as connection, feeding(url, jobs=3000) as feed:
        running = asyncio.create_task(feed.saturate(backlog=1000))
        await eventually(running, lambda: feed.enqueued >= 1000)
        assert await one(connection, "SELECT count(*) FROM executions") < 1500
        assert not running.done()
        feed.note_completed(1000)
        await eventually(running, lambda: feed.enqueued >= 2000)
        feed.note_completed(3000)
        await running
        assert await one(connection, "SELECT count(*) FROM executions") == 3000
        assert set(await column(connection, "SELECT function_name FROM executions")) == {"currant.bench.noop"}
    assert (feed.enqueued, feed.errors, feed.late) == (3000, 0, 0)


@in_loop
async def test_a_feed_ends_when_its_time_is_over(url: str) -> None:
    loop = asyncio.get_running_loop()
    async with feeding(url, jobs=None, rate_per_s=100.0) as feed:
        await feed.paced(loop.time() + 0.3)
    assert feed.enqueued <= 30
    async with feeding(url, jobs=None) as feed:
        await feed.saturate(loop.time() + 0.3, backlog=100)
    assert feed.enqueued <= 100


@in_loop
async def test_the_end_of_its_process_ends_a_feed(url: str) -> None:
    async with feeding(url, jobs=None, rate_per_s=10.0) as feed:
        running = asyncio.create_task(feed.paced())
        await eventually(running, lambda: feed.enqueued > 0)
        os.kill(feed.pids[0], signal.SIGKILL)
        with pytest.raises(BenchFailed, match="the process that enqueues ended, with status -9"):
            await running


@in_loop
async def test_a_database_that_is_not_there_is_one_line() -> None:
    async with feeding("postgresql://127.0.0.1:1/none", rate_per_s=10.0) as feed:
        with pytest.raises(BenchFailed, match=r"^the process that enqueues: none at 127.0.0.1:1: [^\n]*$"):
            await feed.paced()


@in_loop
async def test_enqueues_that_fail_one_after_another_end_a_feed_and_say_why(url: str) -> None:
    async with connected(url) as connection, feeding(url, rate_per_s=1000.0, enqueuers=100) as feed:
        await feed.ready(paced=True)
        await fetch(connection, "ALTER TABLE executions RENAME TO gone")
        with pytest.raises(
            BenchFailed, match=r"100 enqueues in a row failed, the last one so: .* has no schema of Currant's yet"
        ):
            await feed.paced()
    assert feed.error is not None
    assert feed.errors >= 100
    assert feed.enqueued == 0


def test_the_process_goes_with_whoever_started_it() -> None:
    feeding = subprocess.Popen([sys.executable, "-m", "currant.bench.feeding"], stdin=subprocess.PIPE)
    assert feeding.stdin is not None
    feeding.stdin.close()
    assert feeding.wait(60) == 1
