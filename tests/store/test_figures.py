"""The figures of queues."""

from currant.store.figures import QueueFigure, limit_of, queue_figures
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
        limit, found = await queue_figures(connection, queues=["q", "empty"])
    assert limit == 10_000
    by_name = {each.name: each for each in found}
    assert by_name["empty"] == QueueFigure("empty", 0, 0, 0.0)
    assert by_name["q"][1:3] == (4, 2)
    assert 3600 <= by_name["q"].oldest_s < 3700


@in_loop
async def test_a_moment_that_is_infinite_is_no_obstacle(url: str) -> None:
    async with connected(url) as connection:
        for moment in ("-infinity", "infinity"):
            await in_state(connection, "pending", 1, created_at=f"'{moment}'")
        _, ((_, pending, _, oldest_s),) = await queue_figures(connection, queues=["q"])
    assert pending == 2
    assert oldest_s > 1e9


def test_of_many_queues_less_is_counted_in_each() -> None:
    assert limit_of(0) == limit_of(1) == limit_of(10) == 10_000
    assert limit_of(100) == 1_000
    assert limit_of(1_000_000) == 1
