"""Retention: what is deleted at its completion, what is pruned later, and what stays."""

from datetime import UTC, datetime, timedelta

from currant.store import retention
from currant.store.connections import Connection
from currant.store.retention import Keep, Range
from tests.store.support import claim, column, enqueue, fetch, in_state, new, node, one, states
from tests.support import in_loop

DAY_S = 86_400.0
KEEP = Keep(7 * DAY_S, 30 * DAY_S)


async def aged(connection: Connection, status: str, days: int, count: int = 1, **columns: str) -> list[str]:
    """Inserts executions that were made and ended so many days ago, with ids of that moment."""
    ids = await in_state(connection, status, count, **columns)
    moment_ms = int((datetime.now(UTC) - timedelta(days=days)).timestamp() * 1000)
    old = [f"job_{moment_ms:012x}{id[16:]}" for id in ids]
    statement = "UPDATE executions SET id = %s, created_at = %s, completed_at = %s WHERE id = %s"
    moment = datetime.fromtimestamp(moment_ms / 1000, UTC)
    for id, before in zip(old, ids, strict=True):
        ended = moment if status in ("completed", "failed", "cancelled") else None
        await fetch(connection, statement, id, moment, ended, before)
    return old


async def prune(connection: Connection, keep: Keep = KEEP, *, newest_s: float | None = None, rows: int = 1000) -> int:
    """Goes through everything in pieces; returns how many were deleted."""
    total = 0
    for where in await retention.prune_ranges(connection, newest_s=min(keep) if newest_s is None else newest_s):
        after: str | None = where.after
        while after is not None:
            piece = await retention.prune(connection, where._replace(after=after), keep=keep, rows=rows)
            total += piece.deleted
            after = piece.after
    return total


@in_loop
async def test_a_result_that_nobody_wants_goes_with_its_execution(url: str) -> None:
    async with node(url) as connection:
        await enqueue(connection, new(options=b'{"keep_completed": 0}'), new(options=b'{"keep_completed": 60}'), new())
        claimed = (await claim(connection)).executions
        assert [each.discard for each in claimed] == [True, False, False]
        assert await retention.discard(connection, claimed[:1], [b"1"]) == 1
        assert await states(connection) == {"running": 2}


@in_loop
async def test_the_fence_holds_for_a_deletion_too(url: str) -> None:
    async with node(url) as connection:
        await enqueue(connection, new())
        (execution,) = (await claim(connection)).executions
        await fetch(connection, "UPDATE executions SET lease = lease + 1")
        assert await retention.discard(connection, [execution], [b"1"]) == 0
        assert await states(connection) == {"running": 1}


@in_loop
async def test_a_row_that_was_moved_is_completed_and_left_to_the_prune(url: str) -> None:
    async with node(url) as connection:
        await enqueue(connection, *[new()] * 50)
        claimed = (await claim(connection, 20)).executions
        await fetch(connection, "DELETE FROM executions WHERE status = 'pending'")
        await fetch(connection, "VACUUM FULL executions")
        assert await retention.discard(connection, claimed, [b"1"] * 20) == 20
        assert set(await states(connection)) <= {"completed"}


@in_loop
async def test_a_key_that_is_held_for_longer_keeps_its_execution(url: str) -> None:
    async with node(url) as connection:
        await enqueue(connection, new())
        held = "UPDATE executions SET unique_key = 'k', unique_until = now() + interval '1 hour'"
        await fetch(connection, held)
        claimed = (await claim(connection)).executions
        assert await retention.discard(connection, claimed, [b"1"]) == 1
        assert await states(connection) == {"completed": 1}
        assert await one(connection, "SELECT unique_key FROM executions") == "k"
        assert await prune(connection, Keep(0, 0)) == 0


@in_loop
async def test_what_is_over_its_time_goes_and_the_rest_stays(url: str) -> None:
    async with node(url) as connection:
        await aged(connection, "completed", 8, 3)
        await aged(connection, "failed", 31)
        await aged(connection, "cancelled", 31)
        stays = [
            *await aged(connection, "completed", 6),
            *await aged(connection, "failed", 8),
            *await aged(connection, "cancelled", 8),
            *await aged(connection, "pending", 400),
            *await aged(connection, "scheduled", 400),
            *await aged(connection, "running", 400),
            *await aged(connection, "suspended", 400),
        ]
        assert await prune(connection, rows=2) == 5
        assert sorted(await column(connection, "SELECT id FROM executions")) == sorted(stays)


@in_loop
async def test_a_jobs_own_time_goes_before_the_settings(url: str) -> None:
    async with node(url) as connection:
        await aged(connection, "completed", 2, options="""'{"keep_completed": 86400}'""")
        await aged(connection, "failed", 2, options="""'{"keep_failed": 86400}'""")
        long = await aged(connection, "completed", 50, options="""'{"keep_completed": 8640000}'""")
        odd = await aged(connection, "completed", 2, options="""'{"keep_completed": "soon"}'""")
        assert await prune(connection, newest_s=DAY_S) == 2
        assert sorted(await column(connection, "SELECT id FROM executions")) == sorted(long + odd)


@in_loop
async def test_for_ever_is_for_ever(url: str) -> None:
    async with node(url) as connection:
        await aged(connection, "completed", 8)
        await aged(connection, "failed", 9000)
        assert await prune(connection, Keep(7 * DAY_S, float("inf"))) == 1
        assert await states(connection) == {"failed": 1}


@in_loop
async def test_ids_that_do_not_begin_with_a_moment_are_found(url: str) -> None:
    async with node(url) as connection:
        for id in ("job_f47ac10b58cc4372a5670e02b2c3d479", "job_7a1b9d2c4e5f40718293a4b5c6d7e8f9"):
            (before,) = await aged(connection, "completed", 8)
            await fetch(connection, "UPDATE executions SET id = %s WHERE id = %s", id, before)
        assert await prune(connection) == 2


@in_loop
async def test_workflows_and_their_activities_are_left_alone(url: str) -> None:
    async with node(url) as connection:
        (id,) = await aged(connection, "completed", 400)
        await fetch(connection, "UPDATE executions SET type = 'workflow' WHERE id = %s", id)
        assert await prune(connection) == 0


@in_loop
async def test_what_another_holds_locked_is_skipped(url: str) -> None:
    async with node(url) as connection, node(url, "node_b") as other:
        first, _ = await aged(connection, "completed", 8, 2)
        async with other.transaction():
            await fetch(other, "SELECT FROM executions WHERE id = %s FOR UPDATE", first)
            assert await prune(connection) == 1
        assert await prune(connection) == 1


@in_loop
async def test_dead_letters_go_with_the_failed(url: str) -> None:
    async with node(url) as connection:
        await fetch(
            connection,
            "INSERT INTO dead_letter_queue (id, execution_id, execution_data, failure_reason, failed_at)"
            " SELECT 'dead_' || n, 'job_' || n, '{}', 'x', now() - n * interval '24 h' FROM generate_series(1, 40) n",
        )
        assert await retention.prune_dead(connection, keep=KEEP, rows=6) == 6
        assert await retention.prune_dead(connection, keep=KEEP, rows=6) == 5
        assert await one(connection, "SELECT count(*) FROM dead_letter_queue") == 29


@in_loop
async def test_a_piece_reads_its_range_of_the_primary_key_and_no_more(url: str) -> None:
    async with node(url) as connection:
        await in_state(connection, "completed", 20_000, completed_at="now()")
        await fetch(connection, "VACUUM ANALYZE executions")
        (recent, foreign) = await retention.prune_ranges(connection, newest_s=DAY_S)
        assert recent == Range("job_", recent.upto)
        before = await one(connection, _READ)
        assert (await retention.prune(connection, recent, keep=KEEP, rows=1000)) == (0, 0, None)
        assert (await retention.prune(connection, foreign, keep=KEEP, rows=1000)) == (0, 0, None)
        assert await one(connection, _READ) == before


_READ = (
    "SELECT coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)"
    " FROM pg_stat_xact_user_tables WHERE relid = 'executions'::regclass"
)
