"""What the bench reads from its table."""

import math

import pytest

from currant.bench.outcomes import clock_offset_s, latencies
from currant.store import bench_queries
from currant.store.bench_queries import Tally
from tests.store.support import claim, complete, connected, enqueue, fetch, in_state, new, node
from tests.support import in_loop


@in_loop
async def test_tally_tells_what_became_of_the_queues_executions(url: str) -> None:
    async with node(url) as connection:
        await enqueue(connection, *[new()] * 3, new(queue="other"), new(queue="nobody's"))
        await complete(connection, (await claim(connection, 2)).executions)
        expected = Tally(completed=2, failed=0, left=2, retries=0, doubled=0, amiss=0)
        assert await bench_queries.tally(connection, queues=["q", "other"]) == expected


@in_loop
@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"attempt": "1"}, (0, 0)),
        ({"attempt": "2"}, (1, 0)),
        # Given back and claimed again, and run once.
        ({"attempt": "1", "lease": "2"}, (0, 0)),
        ({"attempt": "1", "crashes": "1"}, (1, 0)),
        ({"attempt": "1", "status": "'failed'"}, (0, 1)),
    ],
)
async def test_tally_sees_what_ran_twice_or_ended_as_it_should_not(
    url: str, columns: dict[str, str], expected: tuple[int, int]
) -> None:
    async with connected(url) as connection:
        status = columns.pop("status", "'completed'").strip("'")
        await in_state(connection, status, 1, **columns)
        tally = await bench_queries.tally(connection, queues=["q"], failing="app.g")
        assert (tally.doubled, tally.amiss) == expected


@in_loop
@pytest.mark.parametrize(
    ("status", "attempt", "fails", "expected"),
    [
        ("failed", 3, "true", (0, 0)),
        ("failed", 2, "true", (0, 1)),
        ("failed", 4, "true", (1, 0)),
        ("completed", 3, "true", (0, 1)),
        ("completed", 1, "false", (0, 0)),
        ("failed", 3, "false", (1, 1)),
        ("pending", 2, "true", (0, 0)),
    ],
)
async def test_what_is_meant_to_fail_must_fail_after_all_its_runs(
    url: str, status: str, attempt: int, fails: str, expected: tuple[int, int]
) -> None:
    async with connected(url) as connection:
        await in_state(connection, status, args=f"'[{fails}]'", max_retries="2", attempt=str(attempt))
        tally = await bench_queries.tally(connection, queues=["q"], failing="app.f")
        assert (tally.doubled, tally.amiss) == expected
        assert tally.retries == (0 if status == "pending" else attempt - 1)


@in_loop
async def test_outcomes_become_latencies_from_the_intended_moment(url: str) -> None:
    async with node(url) as connection:
        first, second, third = await enqueue(connection, new(), new(), new())
        for result in (b"null", b"1000.75", b'"text"'):
            await complete(connection, (await claim(connection, 1)).executions, result)
        await enqueue(connection, new())
        await fetch(connection, "UPDATE executions SET created_at = to_timestamp(1000)")
        for id, at_s in ((first, 1002), (second, 1001), (third, 1003)):
            await fetch(connection, "UPDATE executions SET completed_at = to_timestamp(%s) WHERE id = %s", at_s, id)
        found = await bench_queries.outcomes(connection, queues=["q"], ids=True)
    assert found.ids == [second, first, third]
    assert list(found.completed_s) == [1001, 1002, 1003]
    assert list(found.created_s) == [1000] * 3
    assert [math.isnan(each) for each in found.started_s] == [False, True, True]
    counted = latencies(found, intended_s={second: 999.5}, offset_s=0.25, write_ms=2)
    assert list(counted.complete_ms) == pytest.approx([1502, 2002, 3002])
    assert list(counted.start_ms) == pytest.approx([1500])
    warm = latencies(found, warmup=1)
    assert list(warm.complete_ms) == [2000, 3000]
    assert list(warm.ended_s) == [1002, 1003]
    assert not warm.start_ms


@in_loop
async def test_outcomes_without_ids_are_as_many(url: str) -> None:
    async with node(url) as connection:
        assert (await bench_queries.outcomes(connection, queues=["q"])).ids == []
        await enqueue(connection, new())
        await complete(connection, (await claim(connection)).executions)
        found = await bench_queries.outcomes(connection, queues=["q"])
    assert (found.ids, len(found.claimed_s)) == ([], 1)


@in_loop
async def test_clocks_of_one_machine_are_one(url: str) -> None:
    async with connected(url) as connection:
        assert await clock_offset_s(connection) == 0
