"""What people see of the executions, and what retries and purges do to them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from currant.errors import DatabaseError, DatabaseUnreachable, SchemaError, StatementRefused
from currant.executions import Ending, RetryPolicy, judge
from currant.store import inspection, queries
from currant.store.connections import Connection
from currant.store.inspection import Filter
from tests.store.support import (
    NODE,
    backend_pid,
    claim,
    column,
    complete,
    connected,
    enqueue,
    fetch,
    in_state,
    listening,
    new,
    node,
    one,
    terminate,
)
from tests.support import in_loop

POLICY = RetryPolicy(1, 10, 3)


async def fail(connection: Connection, *, reason: Ending = Ending.REJECTED) -> str:
    """Enqueues an execution, runs it and lets it fail for good; returns its id."""
    (id,) = await enqueue(connection, new(function="app.fails", queue="fails"))
    (execution,) = (await claim(connection, queues=["fails"])).executions
    error = b'{"type": "ValueError", "message": "no"}'
    await queries.settle(connection, [judge(execution, reason, error, POLICY, lambda: 0.5)])
    return id


@asynccontextmanager
async def walking(url: str) -> AsyncIterator[Connection]:
    async with inspection.opened(url) as connection:
        yield connection


async def listed(connection: Connection, which: Filter = Filter(), rows: int = 50, **how: object) -> list[str]:  # noqa: B008
    found = await inspection.list_executions(connection, which, rows=rows, within_s=30, **how)  # type: ignore[arg-type]
    assert found.complete
    return [each.id for each in found.executions]


@in_loop
async def test_a_list_is_the_newest_first_and_holds_what_was_asked_for(url: str) -> None:
    async with node(url) as connection, walking(url) as asking:
        first, second = await enqueue(connection, new(function="app.f"), new(function="app.g", queue="r"))
        failed = await fail(connection)
        (third,) = await enqueue(connection, new(function="other.f"))
        assert await listed(asking) == [third, failed, second, first]
        assert await listed(asking, rows=2) == [third, failed]
        assert await listed(asking, Filter(queue="r")) == [second]
        assert await listed(asking, Filter(function="app.f")) == [first]
        assert await listed(asking, Filter(function="app.*")) == [failed, second, first]
        assert await listed(asking, statuses=["failed", "completed"]) == [failed]
        assert await listed(asking, Filter("app.*", "r"), statuses=["failed"]) == []
        await fetch(connection, "UPDATE executions SET created_at = now() - interval '1 hour' WHERE id = %s", third)
        assert third not in await listed(asking, since_s=1800)
        assert third in await listed(asking, since_s=7200)


@in_loop
async def test_a_list_meets_each_execution_once_however_many_pieces_it_takes(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspection, "LOOK_FIRST", 3)
    monkeypatch.setattr(inspection, "LOOK", 2)
    async with node(url) as connection, walking(url) as asking:
        ids = await enqueue(connection, *[new(queue="r" if number % 3 else "q") for number in range(20)])
        assert await listed(asking) == ids[::-1]
        assert await listed(asking, Filter(queue="q"), rows=4) == ids[::-1][1:12:3]
        assert await listed(asking, Filter(queue="nowhere")) == []


@in_loop
async def test_a_list_whose_time_is_over_brings_what_was_found_and_says_so(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspection, "LOOK_FIRST", 4)
    async with node(url) as connection, walking(url) as asking:
        ids = await enqueue(connection, *[new() for _ in range(10)])
        found = await inspection.list_executions(asking, Filter(), rows=8, within_s=0)
        assert ([each.id for each in found.executions], found.complete, found.seen) == (ids[:5:-1], False, 4)


@in_loop
async def test_an_empty_database_has_empty_lists(url: str) -> None:
    async with walking(url) as asking:
        assert await listed(asking) == []
        assert await inspection.list_queues(asking, heartbeat_timeout_s=30) == []
        assert await inspection.list_dead(asking, Filter(), rows=5) == []
        assert [letters async for letters in inspection.walk_dead(asking, Filter())] == []


@in_loop
async def test_the_queues_are_those_that_hold_something_or_are_served(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspection, "COUNT_MAX", 3)
    async with node(url) as connection, walking(url) as asking:
        await enqueue(connection, *[new(queue="many", priority=number % 3) for number in range(7)])
        await enqueue(connection, *[new(queue="few") for _ in range(3)])
        await in_state(connection, "scheduled", 2, run_at="now() + interval '1 hour'")
        await fetch(connection, "UPDATE executions SET queue = 'later' WHERE status = 'scheduled'")
        await in_state(connection, "completed", 2)
        await fetch(
            connection, "UPDATE executions SET created_at = '2020-01-01T00:00Z' WHERE queue = 'many' AND priority = 0"
        )
        await queries.register(connection, node="gone", queues=["alone"], metadata={})
        await fetch(
            connection, "UPDATE worker_heartbeats SET last_heartbeat = now() - interval '1 h' WHERE worker_id = 'gone'"
        )
        few, later, many, served = await inspection.list_queues(asking, heartbeat_timeout_s=30)
        assert (few.name, few.pending, few.pending_cut, few.scheduled, few.nodes) == ("few", 3, False, 0, [])
        assert (many.name, many.pending, many.pending_cut) == ("many", 3, True)
        assert many.oldest_pending_at is not None
        assert many.oldest_pending_at.startswith(("2020-01-01", "2019-12-31"))
        assert (later.name, later.scheduled, later.next_run_at is not None, later.pending) == ("later", 2, True, 0)
        assert (served.name, served.nodes, served.pending) == ("q", [NODE], 0)


@in_loop
async def test_a_retry_begins_anew_with_the_lease_as_it_was(url: str) -> None:
    async with node(url) as connection, listening(url, "fails") as ears:
        id = await fail(connection)
        cancelled, scheduled = await enqueue(connection, new(queue="r"), new(queue="r"))
        assert await queries.cancel(connection, [cancelled]) == {cancelled}
        ((letter,),) = await fetch(connection, "SELECT id FROM dead_letter_queue")
        await ears.heard(connection)
        each = await inspection.retry(connection, [id, cancelled, scheduled, "job_none"], [letter])
        assert [(one.id, one.status, one.retried) for one in each] == [
            (id, "failed", True),
            (cancelled, "cancelled", True),
            (scheduled, "pending", False),
            ("job_none", None, False),
        ]
        assert "fails" in await ears.heard(connection)
        row = await fetch(
            connection,
            "SELECT status, attempt, crashes, lease, worker_id, completed_at, error ->> 'type' FROM executions"
            " WHERE id = %s",
            id,
        )
        assert row == [("pending", 0, 0, 1, None, None, "ValueError")]
        assert await one(connection, "SELECT count(*) FROM dead_letter_queue") == 0
        assert await column(connection, "SELECT cancel_requested_at FROM executions WHERE id = %s", cancelled) == [None]


@in_loop
async def test_what_an_earlier_run_reports_after_a_retry_changes_nothing(url: str) -> None:
    async with node(url) as connection:
        (id,) = await enqueue(connection, new())
        (before,) = (await claim(connection)).executions
        await queries.settle(connection, [judge(before, Ending.REJECTED, b"{}", POLICY, lambda: 0.5)])
        await inspection.retry(connection, [id])
        assert await complete(connection, [before]) == 0
        (after,) = (await claim(connection)).executions
        assert (after.id, after.lease, after.attempt) == (id, before.lease + 1, 1)
        assert await complete(connection, [before]) == 0
        assert await complete(connection, [after]) == 1


@in_loop
async def test_a_letter_is_only_removed_with_its_own_execution(url: str) -> None:
    async with node(url) as connection:
        failed, other = await fail(connection), await fail(connection)
        letters = await column(connection, "SELECT id FROM dead_letter_queue")
        await inspection.retry(connection, [failed], letters)
        assert await column(connection, "SELECT execution_id FROM dead_letter_queue") == [other]


@in_loop
async def test_workflows_are_not_retried(url: str) -> None:
    async with node(url) as connection:
        (id,) = await in_state(connection, "failed")
        await fetch(connection, "UPDATE executions SET type = 'workflow' WHERE id = %s", id)
        (each,) = await inspection.retry(connection, [id])
        assert (each.type, each.retried) == ("workflow", False)


@in_loop
async def test_dead_letters_are_found_by_either_id_and_filtered(url: str) -> None:
    async with node(url) as connection:
        first, second = await fail(connection), await fail(connection)
        letters = await inspection.list_dead(connection, Filter("app.*"), rows=10)
        assert [letter.execution_id for letter in letters] == [second, first]
        assert (letters[0].function, letters[0].queue, letters[0].attempt) == ("app.fails", "fails", 1)
        assert (letters[0].error_type, letters[0].reason) == ("ValueError", "cannot succeed: not retried")
        assert [letter.execution_id for letter in await inspection.list_dead(connection, Filter(), rows=1)] == [second]
        assert await inspection.list_dead(connection, Filter(queue="r"), rows=10) == []
        for id in (first, letters[1].id):
            (found,) = await inspection.find_dead(connection, [id])
            assert found.id == letters[1].id
            assert found.execution["function_name"] == "app.fails"
        assert await inspection.find_dead(connection, ["job_none"]) == []


@in_loop
async def test_version_1s_dead_letters_of_any_shape_are_shown(url: str) -> None:
    async with connected(url, hot=False) as connection:
        await fetch(
            connection,
            "INSERT INTO dead_letter_queue (id, execution_id, execution_data, failure_reason) VALUES"
            " ('a', 'job_a', '[1]', 'why'), ('b', 'job_b', '{\"attempt\": \"two\", \"error\": \"text\"}', 'not')",
        )
        letters = await inspection.list_dead(connection, Filter(), rows=10)
        assert [(letter.function, letter.attempt, letter.error_type) for letter in letters] == [(None, None, None)] * 2


@in_loop
async def test_a_walk_over_dead_letters_does_not_meet_what_fails_meanwhile(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspection, "PIECE_ROWS", 2)
    async with node(url) as connection:
        ids = [await fail(connection) for _ in range(5)]
        met = []
        async for letters in inspection.walk_dead(connection, Filter("app.fails", "fails")):
            met += [execution_id for _, execution_id in letters]
            # It is retried, and fails again at once: with an id behind the one that was met.
            await fetch(
                connection,
                "INSERT INTO dead_letter_queue (id, execution_id, execution_data, failure_reason, failed_at)"
                " SELECT id || 'x', execution_id, execution_data, failure_reason, clock_timestamp()"
                " FROM dead_letter_queue WHERE id = %s",
                letters[-1][0],
            )
        assert met == ids


@in_loop
async def test_a_walk_leaves_out_what_is_not_old_enough(url: str) -> None:
    async with node(url) as connection:
        old, _ = await fail(connection), await fail(connection)
        await fetch(
            connection, "UPDATE dead_letter_queue SET failed_at = now() - interval '2 d' WHERE execution_id = %s", old
        )
        ((letter,),) = [letters async for letters in inspection.walk_dead(connection, Filter(), older_s=86_400)]
        assert letter[1] == old
        assert await inspection.delete_dead(connection, [letter[0]]) == 1
        assert await one(connection, "SELECT count(*) FROM dead_letter_queue") == 1


@in_loop
async def test_one_execution_is_shown_with_its_wishes_and_its_deadline(url: str) -> None:
    async with node(url) as connection:
        plain, held = await enqueue(connection, new(), new(timeout_s=60, options=b'{"timeout": 59.5}'))
        await fetch(connection, "UPDATE executions SET unique_key = 'k' WHERE id = %s", held)
        await claim(connection)
        await queries.cancel(connection, [held])
        record = await inspection.get(connection, held)
        assert record is not None
        assert (record.unique_key, record.timeout_s, record.lease) == ("k", 59.5, 1)
        assert record.cancel_requested_at is not None
        seconds = await one(
            connection, "SELECT extract(epoch FROM %s::timestamptz - claimed_at) FROM executions WHERE id = %s",
            record.deadline, held,
        )  # fmt: skip
        assert float(seconds) == 59.5
        without = await inspection.get(connection, plain)
        assert without is not None
        assert (without.timeout_s, without.deadline) == (None, None)
        assert await inspection.get(connection, "job_none") is None


@in_loop
async def test_a_command_says_what_the_database_said_in_our_words(url: str) -> None:
    async def told(*statements: str) -> None:
        async with inspection.opened(url) as connection:
            for statement in statements:
                await fetch(connection, statement)

    async def cut_off() -> None:
        async with connected(url, hot=False) as other, inspection.opened(url) as connection:
            await terminate(other, await backend_pid(connection))
            await inspection.get(connection, "job_1")

    with pytest.raises(DatabaseUnreachable):
        await cut_off()
    with pytest.raises(StatementRefused, match="division by zero"):
        await told("SELECT 1 / 0")
    with pytest.raises(DatabaseError, match="did not answer within"):
        await told("SET statement_timeout = '10ms'", "SELECT pg_sleep(60)")
    await told("DELETE FROM schema_migrations WHERE version > 1")
    with pytest.raises(SchemaError, match="of version 1"):
        await told()
