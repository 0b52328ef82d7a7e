"""The table of schedules: who is right about one, and that a moment is fired once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from currant.backends import NewExecution
from currant.store import queries, schedules
from currant.store.connections import Connection
from currant.store.schedules import Found, Plan
from currant.store.statements import Statement
from tests.store.support import (
    backend_pid,
    blocked,
    claim,
    connected,
    fetch,
    in_state,
    listening,
    new,
    node,
    one,
    states,
)
from tests.support import in_loop

#: Long over, and far away.
PAST_S, FUTURE_S = 1e9, 4e9
DUE = Plan("app.f", "* * * * *", "UTC", PAST_S)


async def sync(connection: Connection, *plans: Plan, execution: NewExecution | None = None) -> Found:
    return await schedules.sync(connection, plans, [execution or new(function=each.function) for each in plans])


async def next_s(connection: Connection) -> float:
    return float(await one(connection, "SELECT extract(epoch FROM next_run_at)::float8 FROM schedules"))


# Making known


@in_loop
async def test_a_new_schedule_begins_with_the_moment_that_its_node_says(url: str) -> None:
    async with connected(url) as connection:
        found = await sync(connection, DUE, DUE._replace(function="app.g", next_s=FUTURE_S))
        assert sorted(found.plans) == [DUE, DUE._replace(function="app.g", next_s=FUTURE_S)]
        assert found.fired == []
        assert found.clock_s == pytest.approx(await one(connection, "SELECT extract(epoch FROM now())::float8"), abs=30)


@in_loop
async def test_a_schedule_that_is_known_keeps_its_moment_also_one_that_is_over(url: str) -> None:
    async with connected(url) as connection:
        await sync(connection, DUE)
        assert (await sync(connection, DUE._replace(next_s=FUTURE_S))).plans == [DUE]
        assert await next_s(connection) == PAST_S


@in_loop
@pytest.mark.parametrize("change", [{"cron": "0 * * * *"}, {"timezone": "Europe/Berlin"}])
async def test_a_new_expression_or_time_zone_begins_anew(url: str, change: dict[str, str]) -> None:
    async with connected(url) as connection:
        await sync(connection, DUE)
        changed = DUE._replace(**change, next_s=FUTURE_S)
        assert (await sync(connection, changed)).plans == [changed]
        assert await next_s(connection) == FUTURE_S


@in_loop
async def test_the_node_that_started_last_is_right_about_the_rest_too(url: str) -> None:
    async with connected(url) as connection:
        await sync(connection, DUE)
        await fetch(connection, "UPDATE schedules SET seen_at = now() - interval '1 day'")
        await sync(
            connection, DUE, execution=new(queue="other", priority=9, retries=1, timeout_s=7, options=b'{"a": 1}')
        )
        columns = "queue, priority, max_retries, timeout_seconds, options, seen_at > now() - interval '1 hour'"
        assert await fetch(connection, f"SELECT {columns} FROM schedules") == [("other", 9, 1, 7, {"a": 1}, True)]


@in_loop
async def test_two_nodes_that_start_at_once_do_not_wait_for_each_other_for_ever(url: str) -> None:
    plans = [DUE._replace(function=f"app.f{number}") for number in range(50)]
    async with connected(url) as connection, connected(url) as other:
        for _ in range(20):
            await asyncio.gather(sync(connection, *plans), sync(other, *reversed(plans)))
        assert await one(connection, "SELECT count(*) FROM schedules") == 50


# Firing


@in_loop
async def test_what_is_due_is_enqueued_as_its_row_says_and_moved_on(url: str) -> None:
    async with node(url) as connection, listening(url, "q", "other") as ears:
        await sync(connection, DUE, execution=new(priority=9, retries=1, timeout_s=7, options=b'{"timeout": 6.5}'))
        found = await schedules.fire(connection, [DUE], [FUTURE_S])
        assert (found.plans, found.fired) == ([DUE._replace(next_s=FUTURE_S)], ["app.f"])
        assert await next_s(connection) == FUTURE_S
        assert await ears.heard(connection) == {"q"}
        columns = "function_name, queue, status, priority, args, kwargs, max_retries, timeout_seconds, options"
        options = {"timeout": 6.5, "scheduled_for": "2001-09-09T01:46:40Z"}
        assert await fetch(connection, f"SELECT {columns} FROM executions") == [
            ("app.f", "q", "pending", 9, [], {}, 1, 7, options)
        ]
        (execution,) = (await claim(connection)).executions
        assert execution.timeout_s == 6.5
        row = "SELECT last_execution_id, last_run_at > now() - interval '1 minute' FROM schedules"
        assert await fetch(connection, row) == [(execution.id, True)]


@in_loop
async def test_a_firing_may_be_repeated(url: str) -> None:
    async with connected(url) as connection:
        await sync(connection, DUE)
        await schedules.fire(connection, [DUE], [PAST_S + 60])
        again = await schedules.fire(connection, [DUE], [PAST_S + 60])
        assert (again.plans, again.fired) == ([DUE._replace(next_s=PAST_S + 60)], [])
        assert await states(connection) == {"pending": 1}


@in_loop
async def test_nothing_is_fired_before_it_is_due_by_the_databases_clock(url: str) -> None:
    async with connected(url) as connection:
        await sync(connection, DUE._replace(next_s=FUTURE_S))
        found = await schedules.fire(connection, [DUE._replace(next_s=FUTURE_S)], [FUTURE_S + 60])
        assert (found.plans[0].next_s, found.fired) == (FUTURE_S, [])
        assert await states(connection) == {}


@in_loop
@pytest.mark.parametrize("change", [{"cron": "0 * * * *"}, {"timezone": "Asia/Tokyo"}, {"next_s": PAST_S - 60}])
async def test_who_knows_another_expression_fires_nothing_and_learns_the_present_one(
    url: str, change: dict[str, str]
) -> None:
    async with connected(url) as connection:
        await sync(connection, DUE)
        found = await schedules.fire(connection, [DUE._replace(**change)], [FUTURE_S])  # type: ignore[arg-type]
        assert (found.plans, found.fired) == ([DUE], [])
        assert await states(connection) == {}


@in_loop
async def test_of_two_nodes_the_second_does_not_wait_and_sees_afterwards_what_the_first_has_left(url: str) -> None:
    other = DUE._replace(function="app.g")
    async with connected(url) as first, connected(url) as second:
        await sync(first, DUE, other)
        async with first.transaction():
            assert (await schedules.fire(first, [DUE], [FUTURE_S])).fired == ["app.f"]
            # What nobody holds is not held up.
            found = await schedules.fire(second, [DUE, other], [FUTURE_S, FUTURE_S])
            assert (found.fired, found.locked) == (["app.g"], ["app.f"])
        again = await schedules.fire(second, [DUE], [FUTURE_S])
        assert (again.plans, again.fired, again.locked) == ([DUE._replace(next_s=FUTURE_S)], [], [])
        assert await states(second) == {"pending": 2}


@in_loop
async def test_where_the_first_gave_up_the_second_fires(url: str) -> None:
    async with connected(url) as first, connected(url) as second:
        await sync(first, DUE)
        async with first.transaction(force_rollback=True):
            await schedules.fire(first, [DUE], [FUTURE_S])
            assert (await schedules.fire(second, [DUE], [FUTURE_S])).fired == []
        assert (await schedules.fire(second, [DUE], [FUTURE_S])).fired == ["app.f"]
        assert await states(second) == {"pending": 1}


@in_loop
async def test_a_statement_that_began_before_another_nodes_firing_does_not_fire_again(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row counts as it is when the lock is taken, not as the statement's snapshot has it."""
    # The statement stops between its snapshot and its lock.
    stop = (
        "CREATE FUNCTION stop() RETURNS text[] LANGUAGE plpgsql AS"
        " $$ BEGIN PERFORM pg_advisory_xact_lock_shared(77); RETURN '{app.f}'; END $$"
    )
    before = b"%(functions)s::text[])\nFOR UPDATE"
    text = schedules._FIRE.text
    assert before in text
    slow = Statement("slow", text.replace(before, b"(SELECT stop())::text[])\nFOR UPDATE"))
    async with connected(url) as first, connected(url) as second, connected(url) as watcher:
        await sync(first, DUE)
        await fetch(watcher, stop)
        await fetch(watcher, "SELECT pg_advisory_lock(77)")
        pid = await backend_pid(second)
        with monkeypatch.context() as patch:
            patch.setattr(schedules, "_FIRE", slow)
            waiting = asyncio.create_task(schedules.fire(second, [DUE], [FUTURE_S]))
            await blocked(first, pid)
        assert (await schedules.fire(first, [DUE], [FUTURE_S])).fired == ["app.f"]
        await fetch(watcher, "SELECT pg_advisory_unlock(77)")
        found = await waiting
        assert (found.plans, found.fired) == ([DUE._replace(next_s=FUTURE_S)], [])
        assert await states(watcher) == {"pending": 1}


@in_loop
async def test_of_eight_nodes_one_fires_each_moment(url: str) -> None:
    plans = [DUE._replace(function=f"app.f{number}") for number in range(5)]

    @asynccontextmanager
    async def connections() -> AsyncIterator[list[Connection]]:
        async with connected(url) as a, connected(url) as b, connected(url) as c, connected(url) as d:
            yield [a, b, c, d, a, b, c, d]

    async with connections() as all_of_them, connected(url) as connection:
        await sync(connection, *plans)
        for moment in range(20):
            known = [each._replace(next_s=PAST_S + moment) for each in plans]
            following = [each.next_s + 1 for each in known]
            found = await asyncio.gather(*(schedules.fire(each, known, following) for each in all_of_them))
            assert sorted(function for each in found for function in each.fired) == [each.function for each in plans]
            assert max(each.next_s for reply in found for each in reply.plans) == PAST_S + moment + 1
        counts = "SELECT count(*), count(DISTINCT (function_name, options ->> 'scheduled_for')) FROM executions"
        assert await fetch(connection, counts) == [(100, 100)]


@in_loop
async def test_one_that_is_held_back_by_hand_is_not_fired(url: str) -> None:
    async with node(url) as connection:
        await sync(connection, DUE)
        await fetch(connection, "UPDATE schedules SET next_run_at = 'infinity'")
        held = DUE._replace(next_s=float("inf"))
        found = await schedules.fire(connection, [held], [float("inf")])
        assert (found.plans, found.fired) == ([held], [])
        tick = await queries.tick(connection, node="node_a", queues=["q"], timeout_s=30, scheduled=["app.f"])
        assert tick.schedule_s == float("inf")
        assert (await queries.schedules(connection))[0].next_run_at == "infinity"


# For people, and the tick


@in_loop
async def test_the_tick_tells_the_first_moment_of_the_functions_that_it_is_asked_for(url: str) -> None:
    async with node(url) as connection:
        await sync(
            connection, *(DUE._replace(function=f"app.f{number}", next_s=PAST_S + number) for number in range(3))
        )

        async def told(*functions: str) -> float | None:
            tick = await queries.tick(connection, node="node_a", queues=["q"], timeout_s=30, scheduled=functions)
            return tick.schedule_s

        assert await told() is None
        assert await told("app.unknown") is None
        assert await told("app.f2", "app.f1") == PAST_S + 1


@in_loop
async def test_schedules_are_listed_and_removed(url: str) -> None:
    async with connected(url) as connection:
        await sync(connection, DUE._replace(function="app.g"), DUE)
        await schedules.fire(connection, [DUE], [FUTURE_S])
        first, second = await queries.schedules(connection)
        assert (first.function, first.cron, first.timezone, first.queue) == ("app.f", "* * * * *", "UTC", "q")
        assert first.next_run_at.startswith("2096-10-02")
        assert first.last_execution_id == await one(connection, "SELECT id FROM executions")
        assert first.last_run_at == first.seen_at
        assert (second.function, second.last_run_at, second.last_execution_id) == ("app.g", None, None)
        assert await queries.remove_schedule(connection, "app.f")
        assert not await queries.remove_schedule(connection, "app.f")
        assert [each.function for each in await queries.schedules(connection)] == ["app.g"]
        assert await schedules.fire(connection, [DUE], [FUTURE_S]) == Found([], [], [], None)


@in_loop
async def test_a_row_of_a_schedule_outlives_its_executions(url: str) -> None:
    async with connected(url) as connection:
        await in_state(connection, "completed")
        await sync(connection, DUE)
        await schedules.fire(connection, [DUE], [FUTURE_S])
        await fetch(connection, "DELETE FROM executions")
        assert len(await queries.schedules(connection)) == 1
