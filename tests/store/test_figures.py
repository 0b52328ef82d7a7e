"""The figures of queues."""

from currant.store.figures import QueueFigure, queue_figures
from tests.store.support import connected, in_state
from tests.support import in_loop


@in_loop
async def test_each_queue_is_counted_and_the_oldest_found_whatever_its_priority(url: str) -> None:
    async with connected(url) as connection:
        await in_state(connection, "pending", 3)
        await in_state(connection, "pending", 1, created_at="now() - interval '1 hour'", priority="1")
        await in_state(connection, "scheduled", 2, run_at="now() + interval '1 hour'")
        await in_state(connection, "scheduled", 4, run_at="timestamptz '9000-01-02 00:00:00+00'")
        await in_state(connection, "running", 5)
        await in_state(connection, "completed", 6)
        limit, found, took_s = await queue_figures(connection, queues=["q", "empty"], limit=1_000)
    assert limit == 1_000
    assert took_s > 0
    by_name = {each.name: each for each in found}
    assert by_name["empty"] == QueueFigure("empty", 0, 0, 0.0)
    assert by_name["q"][1:3] == (4, 2)
    assert 3600 <= by_name["q"].oldest_s < 3700


@in_loop
async def test_a_moment_that_is_infinite_is_no_obstacle(url: str) -> None:
    async with connected(url) as connection:
        for moment in ("-infinity", "infinity"):
            await in_state(connection, "pending", 1, created_at=f"'{moment}'")
        _, ((_, pending, _, oldest_s),), _ = await queue_figures(connection, queues=["q"], limit=10)
    assert pending == 2
    assert oldest_s > 1e9


@in_loop
async def test_no_more_are_counted_than_asked_for(url: str) -> None:
    async with connected(url) as connection:
        await in_state(connection, "pending", 7)
        _, ((_, pending, scheduled, _),), _ = await queue_figures(connection, queues=["q"], limit=5)
    assert (pending, scheduled) == (5, 0)
