"""The bench's jobs under a real `currantd`, from the feed to the tally."""

from rich.console import Console

from currant.bench.feed import Feed
from currant.bench.jobs import FAIL, KINDS, JobSpec
from currant.bench.node import Node
from currant.bench.outcomes import latencies
from currant.bench.plan import Plan, QueueShare
from currant.store import bench_queries
from tests.store.support import connected
from tests.support import in_loop

SHARES = tuple((kind, 1 / 5) for kind in KINDS[:-1])


@in_loop
async def test_every_kind_of_job_ends_as_it_is_meant_to(url: str) -> None:
    plan = Plan(
        workers=1,
        jobs=200,
        rate_per_s=400.0,
        queues=(QueueShare("one", 0.5), QueueShare("two", 0.5)),
        job=JobSpec(kind="mixed", mix=SHARES, sleep_ms=5, cpu_ms=1, io_bytes=300_000, fail_percent=50, retries=1),
        payload_bytes=64,
    )
    async with Feed(url, plan) as feed:
        with Node(plan, url, Console(quiet=True)) as node:
            await node.ready()
            await feed.paced()
            await node.until_ended(lambda: 200, enqueued=lambda: 200)
    async with connected(url) as connection:
        tally = await bench_queries.tally(connection, queues=plan.queue_names, failing=FAIL.name)
        outcomes = await bench_queries.outcomes(connection, queues=plan.queue_names, ids=True)
    assert tally.completed + tally.failed == 200
    assert 18 <= tally.failed <= 22
    assert tally.retries == tally.failed
    assert (tally.left, tally.doubled, tally.amiss) == (0, 0, 0)
    found = latencies(outcomes, intended_s=feed.intended)
    assert len(found.complete_ms) == 200
    assert len(found.start_ms) == tally.completed
    # No clock can say when something begins before it is meant to.
    assert min(found.start_ms) > -1
