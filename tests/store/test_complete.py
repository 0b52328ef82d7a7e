"""Completions: fenced by the lease, safe to repeat, and HOT."""

import asyncio

import msgspec

from currant.executions import Execution, Status, Verdict
from currant.store import queries
from currant.store.connections import Connection
from tests.store.support import claim, complete, connected, enqueue, fetch, new, node, one, states
from tests.support import in_loop


@in_loop
async def test_a_result_is_recorded(url: str) -> None:
    async with node(url) as connection:
        await enqueue(connection, new(), new())
        claimed = (await claim(connection)).executions
        assert await queries.complete(connection, claimed, [b'{"a":1}', b"null"]) == 2
        row = (
            "SELECT status, result::text, error, attempt, lease, completed_at >= claimed_at FROM executions ORDER BY id"
        )
        assert await fetch(connection, row) == [
            ("completed", '{"a": 1}', None, 1, 1, True),
            ("completed", "null", None, 1, 1, True),
        ]


@in_loop
async def test_a_row_that_was_moved_is_found_by_its_id(url: str) -> None:
    async with node(url) as connection:
        await enqueue(connection, *[new()] * 50)
        claimed = (await claim(connection, 20)).executions
        await fetch(connection, "DELETE FROM executions WHERE status = 'pending'")
        await fetch(connection, "VACUUM FULL executions")
        moved = await one(connection, "SELECT count(*) FROM executions WHERE ctid = ANY (%s::tid[])", tids(claimed))
        assert moved < 20
        assert await complete(connection, claimed) == 20
        assert await states(connection) == {"completed": 20}


def tids(claimed: list[Execution]) -> list[str]:
    return [f"({int.from_bytes(each.tid[:4], 'big')},{int.from_bytes(each.tid[4:], 'big')})" for each in claimed]


@in_loop
async def test_the_claim_says_where_the_row_lies(url: str) -> None:
    async with node(url) as connection:
        await enqueue(connection, *[new()] * 20)
        claimed = (await claim(connection)).executions
        assert (
            await one(connection, "SELECT count(*) FROM executions WHERE ctid = ANY (%s::tid[])", tids(claimed)) == 20
        )


@in_loop
async def test_a_repetition_changes_nothing(url: str) -> None:
    async with node(url) as connection:
        await enqueue(connection, *[new()] * 3)
        claimed = (await claim(connection)).executions
        assert await complete(connection, claimed[:2], b"1") == 2
        before = await fetch(connection, "SELECT * FROM executions ORDER BY id LIMIT 2")
        assert await complete(connection, claimed, b"2") == 1
        assert await fetch(connection, "SELECT * FROM executions ORDER BY id LIMIT 2") == before


@in_loop
async def test_another_lease_is_fenced(url: str) -> None:
    async with node(url) as connection:
        await enqueue(connection, new(), new())
        one_, two = (await claim(connection)).executions
        late = msgspec.structs.replace(one_, lease=one_.lease + 1)
        assert await complete(connection, [late, two]) == 1
        assert await states(connection) == {"completed": 1, "running": 1}


@in_loop
async def test_after_an_uncounted_release_and_a_new_claim_by_the_same_node_the_old_lease_is_void(url: str) -> None:
    async with node(url) as connection:
        await enqueue(connection, new())
        (old,) = (await claim(connection)).executions
        assert await queries.settle(connection, [Verdict(old, Status.PENDING, uncount=1)]) == 1
        (again,) = (await claim(connection)).executions
        # The id, the node and the attempt are the same: only the lease tells.
        assert (again.id, again.attempt) == (old.id, old.attempt)
        assert await complete(connection, [old], b'"old"') == 0
        assert await queries.settle(connection, [Verdict(old, Status.FAILED, reason="old")]) == 0
        assert await complete(connection, [again], b'"new"') == 1
        assert await one(connection, "SELECT result::text FROM executions") == '"new"'


@in_loop
async def test_what_is_not_running_any_more_is_fenced(url: str) -> None:
    async with node(url) as connection:
        await enqueue(connection, new())
        claimed = (await claim(connection)).executions
        await fetch(connection, "UPDATE executions SET status = 'cancelled'")
        assert await complete(connection, claimed) == 0


@in_loop
async def test_an_earlier_error_is_cleared_by_the_result(url: str) -> None:
    async with node(url) as connection:
        await enqueue(connection, new())
        (first,) = (await claim(connection)).executions
        await queries.settle(connection, [Verdict(first, Status.PENDING, b'{"type":"E"}')])
        assert await one(connection, "SELECT error FROM executions") is not None
        await complete(connection, (await claim(connection)).executions)
        assert await one(connection, "SELECT error FROM executions") is None


@in_loop
async def test_two_writers_of_one_outcome_count_it_once(url: str) -> None:
    async with node(url) as connection, connected(url) as other:
        await enqueue(connection, *[new()] * 500)
        claimed = (await claim(connection)).executions
        counts = await asyncio.gather(complete(connection, claimed), complete(other, claimed))
        assert sum(counts) == 500


@in_loop
async def test_completions_are_hot(url: str) -> None:
    rows = 2000
    async with node(url) as connection:
        await fetch(connection, "ALTER TABLE executions SET (autovacuum_enabled = false)")
        for _ in range(rows // 500):
            await enqueue(connection, *[new(args=b'["someone@example.com",12345]')] * 500)
        before = await updates(connection, 0)
        for _ in range(rows // 500):
            claimed = (await claim(connection, 500)).executions
            assert await complete(connection, claimed, b'{"ok":true}') == 500
        updated, hot = await updates(connection, before[0] + 2 * rows)
    assert updated - before[0] == 2 * rows
    # A claim never is: it changes an indexed column.
    assert hot - before[1] >= 0.9 * rows


async def updates(connection: Connection, expected: int) -> tuple[int, int]:
    """Returns the updates of the table and how many were HOT, when the server's statistics know of so many."""
    statistics = (
        "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables"
        " WHERE schemaname = current_schema() AND relname = 'executions'"
    )
    while True:
        # A session reports at most once a second unless it is told to; before 15 it cannot be told.
        if connection.info.server_version >= 150000:
            await fetch(connection, "SELECT pg_stat_force_next_flush()")
        ((updated, hot),) = await fetch(connection, statistics)
        if updated >= expected:
            return updated, hot
        await asyncio.sleep(0.02)


# What came too late


@in_loop
async def test_an_outcome_is_late_when_another_node_took_the_execution_back_and_not_when_it_was_written_before(
    url: str,
) -> None:
    async with node(url) as connection, node(url, "node_b") as other:
        await enqueue(connection, *[new()] * 6)
        written, waiting, again, over, failed, held = (await claim(connection)).executions
        assert await complete(connection, [written]) == 1
        assert await queries.settle(other, [Verdict(each, Status.PENDING, crash=1) for each in (again, over)]) == 2
        theirs = (await claim(other, node="node_b")).executions
        assert await complete(other, [each for each in theirs if each.id == over.id]) == 1
        assert await queries.settle(other, [Verdict(waiting, Status.PENDING, crash=1)]) == 1
        assert await queries.settle(connection, [Verdict(failed, Status.FAILED, reason="r")]) == 1
        everything = [written, waiting, again, over, failed, held]
        late = await queries.late(connection, everything, [Status.COMPLETED] * 6)
        assert set(late) == {each.id for each in everything[1:]}
        # A retry of what waits already is nothing new; nor is a failure that was recorded.
        statuses = [Status.COMPLETED, Status.SCHEDULED, Status.SCHEDULED, Status.FAILED, Status.FAILED]
        assert set(await queries.late(connection, everything[:5], statuses)) == {again.id, over.id}
        # What was to be deleted and is gone was deleted by us.
        await fetch(connection, "DELETE FROM executions WHERE id = ANY (%s)", [written.id, waiting.id])
        assert await queries.late(connection, [written, waiting], [None, Status.FAILED]) == [waiting.id]
