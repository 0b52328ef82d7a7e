"""Promotion, parking, and what the tick says."""

import asyncio
import time

import pytest

from currant.store import channels, parking, queries
from currant.store.connections import Connection
from tests.store.support import NODE, claim, connected, enqueue, fetch, in_state, listening, new, node, one, states
from tests.support import in_loop


async def tick(connection: Connection, **options: float) -> queries.Tick:
    return await queries.tick(connection, node=NODE, queues=["q"], timeout_s=options.get("timeout_s", 30))


@in_loop
async def test_the_tick_keeps_the_nodes_queues_as_they_are_after_a_reload(url: str) -> None:
    async with node(url) as connection:
        assert (await tick(connection)).alive
        assert await one(connection, "SELECT queues FROM worker_heartbeats") == ["q"]
        await queries.tick(connection, node=NODE, queues=["q", "new"], timeout_s=30)
        assert await one(connection, "SELECT queues FROM worker_heartbeats") == ["q", "new"]


# promote


@in_loop
async def test_what_is_due_is_pending_and_claimable_and_the_rest_waits(url: str) -> None:
    async with node(url) as connection:
        due = await in_state(connection, "scheduled", 3, run_at="now() - interval '1 second'")
        await in_state(connection, "scheduled", 2, run_at="now() + interval '1 hour'")
        promotion = await queries.promote(connection, queues=["q"], rows=100)
        assert promotion.promoted == 3
        assert promotion.due_in_s == pytest.approx(3600, abs=60)
        assert await states(connection) == {"pending": 3, "scheduled": 2}
        assert await one(connection, "SELECT count(*) FROM executions WHERE run_at IS NULL") == 3
        assert [each.id for each in (await claim(connection)).executions] == due


@in_loop
async def test_nothing_due_promotes_nothing(url: str) -> None:
    async with node(url) as connection:
        assert await queries.promote(connection, queues=["q"], rows=100) == queries.Promotion(0, None)


@in_loop
async def test_a_heap_of_due_work_is_promoted_in_pieces_the_oldest_first(url: str) -> None:
    async with node(url) as connection:
        late = await in_state(connection, "scheduled", 5, run_at="now() - interval '1 minute'")
        early = await in_state(connection, "scheduled", 5, run_at="now() - interval '1 hour'")
        assert (await queries.promote(connection, queues=["q"], rows=5)).promoted == 5
        assert sorted(await pending(connection)) == early
        assert (await queries.promote(connection, queues=["q"], rows=100)).promoted == 5
        assert sorted(await pending(connection)) == sorted(early + late)


async def pending(connection: Connection) -> list[str]:
    return [row[0] for row in await fetch(connection, "SELECT id FROM executions WHERE status = 'pending'")]


@in_loop
async def test_two_nodes_promote_each_row_once(url: str) -> None:
    async with node(url) as connection, connected(url) as other:
        await in_state(connection, "scheduled", 1000, run_at="now() - interval '1 second'")
        both = await asyncio.gather(*(queries.promote(each, queues=["q"], rows=1000) for each in (connection, other)))
        assert sum(each.promoted for each in both) == 1000


@in_loop
async def test_promotion_wakes_the_queues_that_it_touched(url: str) -> None:
    async with node(url) as connection, listening(url, "q", "other") as ears:
        await in_state(connection, "scheduled", 2, run_at="now() - interval '1 second'")
        await queries.promote(connection, queues=["q", "other"], rows=100)
        assert await ears.heard(connection) == {"q"}


# tick


@in_loop
async def test_a_tick_with_nothing_to_do_says_so_and_renews_the_heartbeat(url: str) -> None:
    async with node(url) as connection:
        await fetch(connection, "UPDATE worker_heartbeats SET last_heartbeat = now() - interval '1 hour'")
        found = await tick(connection)
        assert found[:4] == (True, None, False, False)
        assert found.schedule_s is None
        assert abs(found.clock_s - time.time()) < 60
        assert await one(connection, "SELECT last_heartbeat > now() - interval '10 s' FROM worker_heartbeats")


@in_loop
async def test_a_tick_says_what_waits(url: str) -> None:
    async with node(url) as connection:
        await enqueue(connection, new(queue="other"))
        assert not (await tick(connection)).waiting
        await enqueue(connection, new())
        assert (await tick(connection)).waiting
        await claim(connection)
        assert not (await tick(connection)).waiting


@in_loop
async def test_a_tick_says_when_the_next_is_due_and_a_negative_number_when_it_is_late(url: str) -> None:
    async with node(url) as connection:
        await in_state(connection, "scheduled", run_at="now() + interval '100 s'")
        assert (await tick(connection)).due_in_s == pytest.approx(100, abs=30)
        await in_state(connection, "scheduled", run_at="now() - interval '100 s'")
        assert (await tick(connection)).due_in_s == pytest.approx(-100, abs=30)


@in_loop
async def test_a_tick_says_that_a_node_is_dead_until_it_is_reclaimed(url: str) -> None:
    async with node(url) as connection, node(url, "node_b") as other:
        assert not (await tick(connection)).dead
        await fetch(
            other, "UPDATE worker_heartbeats SET last_heartbeat = now() - interval '31 s' WHERE worker_id = 'node_b'"
        )
        assert not (await tick(connection, timeout_s=60)).dead
        assert (await tick(connection)).dead
        await queries.declare_dead(connection, node=NODE, timeout_s=30)
        assert (await tick(connection)).dead
        await queries.reclaimed(connection, ["node_b"])
        assert not (await tick(connection)).dead


@in_loop
async def test_a_tick_of_a_stopped_node_says_so_and_renews_nothing(url: str) -> None:
    async with node(url) as connection, node(url, "node_b") as other:
        await queries.declare_dead(other, node="node_b", timeout_s=1e6, known=[NODE])
        assert not (await tick(connection)).alive
        status = "SELECT status FROM worker_heartbeats WHERE worker_id = %s"
        assert await one(connection, status, NODE) == "stopped"


@in_loop
async def test_a_tick_of_an_unknown_node_says_so(url: str) -> None:
    async with connected(url) as connection:
        assert not (await tick(connection)).alive


@in_loop
async def test_a_tick_notifies_the_node_s_own_channel(url: str) -> None:
    async with node(url) as connection:
        own = channels.node_channel(NODE)
        async with listening(url, own, "q") as ears:
            await tick(connection)
            assert await ears.heard(connection) == {own}


# park


@in_loop
async def test_a_parked_execution_uses_no_attempt_and_never_becomes_due(url: str) -> None:
    async with node(url) as connection:
        await enqueue(connection, new(function="app.gone"))
        for times in range(3):
            (held,) = (await claim(connection)).executions
            assert (held.attempt, held.lease) == (1, times + 1)
            assert await parking.park(connection, [held]) == 1
            row = "SELECT attempt, worker_id, status, extract(year FROM run_at)::int, error FROM executions"
            ((attempt, worker, status, year, error),) = await fetch(connection, row)
            assert (attempt, worker, status) == (0, None, "scheduled")
            assert 9000 <= year <= 9137
            message = "no module of the node registers app.gone: it waits for a node that does"
            assert error == {"type": "UnknownFunction", "message": message}
            assert await queries.promote(connection, queues=["q"], rows=10) == queries.Promotion(0, None)
            assert (await claim(connection)).due_in_s is None
            assert (await tick(connection)).due_in_s is None
            assert await parking.unpark(connection, queues=["q"], functions=["app.gone"], rows=1) == 1


@in_loop
async def test_parking_is_fenced_and_may_be_repeated(url: str) -> None:
    async with node(url) as connection:
        await enqueue(connection, new())
        held = (await claim(connection)).executions
        assert await parking.park(connection, held) == 1
        before = await fetch(connection, "SELECT * FROM executions")
        assert await parking.park(connection, held) == 0
        assert await fetch(connection, "SELECT * FROM executions") == before


@in_loop
async def test_what_was_cancelled_meanwhile_is_not_parked(url: str) -> None:
    async with node(url) as connection:
        ids = await enqueue(connection, new())
        held = (await claim(connection)).executions
        await queries.cancel(connection, ids)
        assert await parking.park(connection, held) == 1
        assert await fetch(connection, "SELECT status, run_at, completed_at IS NULL FROM executions") == [
            ("cancelled", None, False)
        ]


@in_loop
async def test_what_is_parked_can_be_cancelled(url: str) -> None:
    async with node(url) as connection:
        ids = await enqueue(connection, new())
        await parking.park(connection, (await claim(connection)).executions)
        assert await queries.cancel(connection, ids) == set(ids)
        assert await parking.parked(connection, queues=["q"], rows=10) == {}
        assert await parking.unpark(connection, queues=["q"], functions=["app.f"], rows=10) == 0


@in_loop
async def test_parked_executions_are_counted_by_function_and_taken_by_a_node_that_knows_them(url: str) -> None:
    async with node(url) as connection, listening(url, "q") as ears:
        await enqueue(connection, *[new(function="app.a")] * 3, *[new(function="app.b")] * 2, new(function="app.c"))
        held = (await claim(connection)).executions
        await parking.park(connection, [each for each in held if each.function != "app.c"])
        await in_state(
            connection, "scheduled", run_at="now() + interval '1 hour'", error="""'{"type": "ValueError"}'"""
        )
        assert await parking.parked(connection, queues=["q", "other"], rows=100) == {"app.a": 3, "app.b": 2}
        assert await parking.parked(connection, queues=["q"], rows=2) == {"app.a": 2, "app.b": 2}
        assert await parking.unpark(connection, queues=["q"], functions=["app.z"], rows=100) == 0
        assert await parking.unpark(connection, queues=["q"], functions=[], rows=100) == 0
        await ears.heard(connection)
        assert await parking.unpark(connection, queues=["q"], functions=["app.a", "app.f"], rows=2) == 2
        assert await ears.heard(connection) == {"q"}
        assert await parking.unpark(connection, queues=["q"], functions=["app.a", "app.f"], rows=2) == 1
        assert await parking.unpark(connection, queues=["q"], functions=["app.a", "app.f"], rows=2) == 0
        assert await parking.parked(connection, queues=["q"], rows=100) == {"app.b": 2}
        again = (await claim(connection)).executions
        assert [(each.function, each.attempt) for each in again] == [("app.a", 1)] * 3
        assert await fetch(
            connection, "SELECT DISTINCT error, run_at FROM executions WHERE function_name = 'app.a'"
        ) == [(None, None)]


@in_loop
async def test_a_tick_says_whether_something_is_parked_that_the_node_knows(url: str) -> None:
    async with node(url) as connection:

        async def says(*functions: str, queue: str = "q") -> bool:
            moments = [parking.moment_of(function) for function in functions]
            return (
                await queries.tick(connection, node=NODE, queues=[queue, "none"], timeout_s=30, moments=moments)
            ).parked

        await enqueue(connection, new(function="app.a"))
        assert not await says("app.a")
        await parking.park(connection, (await claim(connection)).executions)
        assert await says("app.b", "app.a")
        assert not await says("app.b")
        assert not await says()
        assert not await says("app.a", queue="other")


@in_loop
async def test_what_versions_before_parked_for_a_while_comes_back_by_its_delay(url: str) -> None:
    async with node(url) as connection:
        error = """'{"type": "UnknownFunction", "message": "m", "parked": 3}'"""
        await in_state(connection, "scheduled", run_at="now() - interval '1 s'", error=error)
        assert (await queries.promote(connection, queues=["q"], rows=10)).promoted == 1
        held = (await claim(connection)).executions
        assert await parking.park(connection, held) == 1
        assert await parking.parked(connection, queues=["q"], rows=10) == {"app.f": 1}


def test_the_moment_of_a_function_never_changes() -> None:
    assert [parking.moment_of(name) for name in ("app.f", "café")] == [2341851871, 2232384964]
