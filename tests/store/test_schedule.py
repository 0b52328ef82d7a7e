"""Promotion, parking, and what the tick says."""

import asyncio
import time

import pytest

from currant.executions import Execution
from currant.store import channels, queries
from currant.store.connections import Connection
from tests.store.support import NODE, claim, connected, enqueue, fetch, in_state, listening, new, node, one, states
from tests.support import in_loop


async def tick(connection: Connection, **options: float) -> queries.Tick:
    return await queries.tick(connection, node=NODE, queues=["q"], timeout_s=options.get("timeout_s", 30))


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


async def park(connection: Connection, executions: list[Execution]) -> tuple[int, float]:
    """Parks them and returns how many, and for how many seconds the first."""
    async with connection.transaction():
        count = await queries.park(connection, executions)
        delay_s = await fetch(connection, "SELECT extract(epoch FROM run_at - now())::float8 FROM executions LIMIT 1")
    return count, delay_s[0][0]


@in_loop
async def test_a_parked_execution_waits_longer_each_time_and_uses_no_attempt(url: str) -> None:
    async with node(url) as connection:
        await enqueue(connection, new(function="app.gone"))
        waits = []
        for times in range(11):
            (held,) = (await claim(connection)).executions
            assert (held.attempt, held.lease) == (1, times + 1)
            count, delay_s = await park(connection, [held])
            assert count == 1
            waits.append(delay_s)
            await fetch(connection, "UPDATE executions SET run_at = now()")
            await queries.promote(connection, queues=["q"], rows=1)
        assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
        row = "SELECT attempt, worker_id, error ->> 'type', error ->> 'message' FROM executions"
        message = "no module of the node registers app.gone: it waits for a node that does"
        assert await fetch(connection, row) == [(0, None, "UnknownFunction", message)]


@in_loop
async def test_parking_is_fenced_and_may_be_repeated(url: str) -> None:
    async with node(url) as connection:
        await enqueue(connection, new())
        held = (await claim(connection)).executions
        assert await queries.park(connection, held) == 1
        before = await fetch(connection, "SELECT * FROM executions")
        assert await queries.park(connection, held) == 0
        assert await fetch(connection, "SELECT * FROM executions") == before


@in_loop
async def test_an_error_of_a_failure_before_does_not_confuse_the_parking(url: str) -> None:
    async with node(url) as connection:
        await in_state(connection, "pending", error="""'{"type": "ValueError", "message": "m"}'""")
        held = (await claim(connection)).executions
        assert await park(connection, held) == (1, 1.0)


@in_loop
async def test_parked_executions_are_counted_by_function_and_taken_by_a_node_that_knows_them(url: str) -> None:
    async with node(url) as connection, listening(url, "q") as ears:
        await enqueue(connection, *[new(function="app.a")] * 3, *[new(function="app.b")] * 2, new(function="app.c"))
        held = (await claim(connection)).executions
        await queries.park(connection, [each for each in held if each.function != "app.c"])
        await in_state(
            connection, "scheduled", run_at="now() + interval '1 hour'", error="""'{"type": "ValueError"}'"""
        )
        assert await queries.parked(connection, queues=["q", "other"], rows=100) == {"app.a": 3, "app.b": 2}
        assert await queries.unpark(connection, queues=["q"], functions=["app.z"], rows=100) == 0
        await ears.heard(connection)
        assert await queries.unpark(connection, queues=["q"], functions=["app.a", "app.f"], rows=2) == 2
        assert await ears.heard(connection) == {"q"}
        assert await queries.unpark(connection, queues=["q"], functions=["app.a", "app.f"], rows=2) == 1
        assert await queries.unpark(connection, queues=["q"], functions=["app.a", "app.f"], rows=2) == 0
        assert await queries.parked(connection, queues=["q"], rows=100) == {"app.b": 2}
        again = (await claim(connection)).executions
        assert [(each.function, each.attempt) for each in again] == [("app.a", 1)] * 3
        assert await fetch(
            connection, "SELECT DISTINCT error, run_at FROM executions WHERE function_name = 'app.a'"
        ) == [(None, None)]


@in_loop
async def test_a_parked_execution_may_also_come_back_by_its_delay(url: str) -> None:
    async with node(url) as connection:
        await enqueue(connection, new())
        await queries.park(connection, (await claim(connection)).executions)
        await fetch(connection, "UPDATE executions SET run_at = now()")
        assert (await queries.promote(connection, queues=["q"], rows=10)).promoted == 1
        assert len((await claim(connection)).executions) == 1
