"""What the supervisor asks for children: a repeated enqueue doubles nothing, and a look at results is bounded."""

import asyncio

import pytest

from currant.backends import Ended, Enqueued
from currant.errors import DatabaseUnreachable
from currant.identifiers import new_ids
from currant.store import queries
from currant.store.enqueue import enqueue, enqueue_again
from tests.store.support import backend_pid, blocked, column, connected, fetch, in_state, new, one
from tests.support import in_loop


@in_loop
async def test_a_repeated_enqueue_that_was_carried_out_adds_nothing(url: str) -> None:
    async with connected(url) as connection:
        ids, rows = new_ids(3), [new()] * 3
        assert await enqueue(connection, ids, rows) == [Enqueued(id, True) for id in ids]
        assert await enqueue_again(connection, ids, rows) == [Enqueued(id, True) for id in ids]
        assert await column(connection, "SELECT id FROM executions ORDER BY id") == ids
        # Of a plain one all were written or none: what is gone had ended, and was deleted.
        await fetch(connection, "DELETE FROM executions WHERE id = %s", ids[0])
        assert await enqueue_again(connection, ids, rows) == [Enqueued(id, True) for id in ids]
        assert await column(connection, "SELECT id FROM executions ORDER BY id") == ids[1:]


@in_loop
async def test_a_repeated_enqueue_that_was_not_carried_out_is_carried_out(url: str) -> None:
    async with connected(url) as connection:
        ids, rows = new_ids(2), [new(), new()]
        assert await enqueue_again(connection, ids, rows) == [Enqueued(id, True) for id in ids]
        assert await column(connection, "SELECT id FROM executions ORDER BY id") == ids


@in_loop
async def test_a_repeated_enqueue_with_unique_keys_knows_its_own_from_others(url: str) -> None:
    async with connected(url) as connection:
        (holder,) = new_ids(1)
        keyed = new()
        keyed.unique_key = "held"
        await enqueue(connection, [holder], [keyed])
        fresh = new()
        fresh.unique_key = "fresh"
        ids, rows = new_ids(3), [keyed, fresh, new()]
        expected = [Enqueued(holder, False), Enqueued(ids[1], True), Enqueued(ids[2], True)]
        assert await enqueue(connection, ids, rows) == expected
        assert await enqueue_again(connection, ids, rows) == expected
        assert await one(connection, "SELECT count(*) FROM executions") == 3
        # The holder has ended meanwhile: enqueued as if it came now.
        await fetch(connection, "UPDATE executions SET status = 'completed', unique_key = NULL WHERE id = %s", holder)
        assert (await enqueue_again(connection, ids, rows))[0] == Enqueued(ids[0], True)
        assert await one(connection, "SELECT count(*) FROM executions") == 4


@in_loop
async def test_a_repetition_while_the_lost_statement_is_still_under_way_is_to_be_repeated(url: str) -> None:
    async with connected(url, hot=False) as first, connected(url, hot=False) as second, connected(url) as third:
        ids, rows = new_ids(1), [new()]
        async with first.transaction():
            await enqueue(first, ids, rows)
            again = asyncio.ensure_future(enqueue_again(second, ids, rows))
            await blocked(third, await backend_pid(first) and second.info.backend_pid)
        with pytest.raises(DatabaseUnreachable):
            await again
        assert await enqueue_again(second, ids, rows) == [Enqueued(ids[0], True)]


@in_loop
async def test_a_look_at_results_is_bounded_in_bytes_and_brings_at_least_one(url: str) -> None:
    async with connected(url) as connection:
        # Not compressible, so that what is stored is as large as what is sent.
        result = "(SELECT to_jsonb(string_agg(md5(n::text), '')) FROM generate_series(1, 1000) AS n)"
        large = await in_state(connection, "completed", 5, result=result)
        (failed,) = await in_state(connection, "failed", error='\'{"type": "x"}\'')
        (pending,) = await in_state(connection, "pending")
        ids = [*large, failed, pending, "missing"]
        everything = await queries.ended(connection, ids)
        assert [each.id for each in everything] == [*large, failed, "missing"]
        assert everything[-1] == Ended("missing", None, None)
        assert everything[-2] == Ended(failed, "failed", b'{"type": "x"}')
        assert len(everything[0].body or b"") == 32_002
        assert [each.id for each in await queries.ended(connection, ids, bytes_max=100_000)] == large[:3]
        assert [each.id for each in await queries.ended(connection, ids, bytes_max=1)] == large[:1]
        ahead = ["missing", *large]
        assert [each.id for each in await queries.ended(connection, ahead, bytes_max=1)] == ["missing", large[0]]
