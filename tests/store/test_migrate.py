"""Migrations: fresh, repeated, many at once, and from version 1 with everything that it holds."""

import asyncio
from importlib import resources

import pytest

from currant.errors import SchemaError
from currant.store import migrate, queries
from currant.store.connections import Connection
from currant.store.migrate import Migrated
from tests.store.support import claim, column, connected, fetch, node, one, states
from tests.support import in_loop


async def make_version_1(connection: Connection) -> None:
    script = resources.files("currant.store").joinpath("migrations", "0001.sql").read_text()
    await fetch(connection, script)
    await fetch(connection, "INSERT INTO schema_migrations (version) VALUES (1)")


async def insert_version_1(connection: Connection, id: str, status: str, kind: str = "job", more: str = "NULL") -> None:
    """As version 1's client does, with every column that it knows."""
    await fetch(
        connection,
        "INSERT INTO executions (id, type, function_name, queue, status, priority, args, kwargs, result, attempt,"
        f" worker_id, parent_workflow_id) VALUES (%s, %s, 'app.f', 'q', %s, 7, '[1]', '{{}}', '2', 1, 'w', {more})",
        id,
        kind,
        status,
    )


async def indexes(connection: Connection) -> set[str]:
    found = await column(connection, "SELECT indexname FROM pg_indexes WHERE schemaname = current_schema()")
    return set(found)


@in_loop
async def test_a_fresh_database_gets_the_newest_version(empty_url: str) -> None:
    async with connected(empty_url) as connection:
        assert await queries.schema_version(connection) == 0
        assert await migrate.migrate(connection) == Migrated(0, migrate.VERSION)
        await migrate.check(connection)
        versions = await column(connection, "SELECT version FROM schema_migrations ORDER BY version")
        assert versions == list(range(1, migrate.VERSION + 1))


@in_loop
async def test_a_repetition_changes_nothing(url: str) -> None:
    async with connected(url) as connection:
        before = await indexes(connection)
        assert await migrate.migrate(connection) == Migrated(migrate.VERSION, migrate.VERSION)
        assert await indexes(connection) == before


@in_loop
async def test_of_eight_at_once_one_migrates(empty_url: str) -> None:
    async def once() -> Migrated:
        async with connected(empty_url) as connection:
            return await migrate.migrate(connection)

    found = await asyncio.gather(*(once() for _ in range(8)))
    newest = migrate.VERSION
    assert sorted(found) == [Migrated(0, newest)] + [Migrated(newest, newest)] * 7


@in_loop
async def test_the_upgrade_keeps_every_row_of_version_1(empty_url: str) -> None:
    async with connected(empty_url) as connection:
        await make_version_1(connection)
        for status in ("pending", "running", "suspended", "completed", "failed"):
            await insert_version_1(connection, f"job_{status}", status)
            await insert_version_1(connection, f"wor_{status}", status, "workflow")
            await insert_version_1(connection, f"act_{status}", status, "activity", f"'wor_{status}'")
        await fetch(connection, "INSERT INTO workflow_signals VALUES ('s', 'wor_running', 'go')")
        await fetch(connection, "INSERT INTO dead_letter_queue VALUES ('d', 'job_failed', '{}', 'why')")
        await fetch(connection, "INSERT INTO worker_heartbeats (worker_id, queues) VALUES ('w', '{q}')")
        columns = ", ".join(
            await column(
                connection,
                "SELECT column_name::text FROM information_schema.columns"
                " WHERE table_schema = current_schema() AND table_name = 'executions'",
            )
        )
        kept = f"SELECT {columns} FROM executions ORDER BY id"
        before = await fetch(connection, kept)
        assert await migrate.migrate(connection) == Migrated(1, migrate.VERSION)
        assert await fetch(connection, kept) == before
        assert len(before) == 15
        added = "SELECT DISTINCT lease, crashes, run_at, cancel_requested_at, unique_key FROM executions"
        assert await fetch(connection, added) == [(0, 0, None, None, None)]
        assert await column(connection, "SELECT id FROM executions WHERE ready ORDER BY id") == [
            "act_pending",
            "job_pending",
            "wor_pending",
        ]
        for table in ("workflow_signals", "dead_letter_queue", "worker_heartbeats"):
            assert await one(connection, f"SELECT count(*) FROM {table}") == 1


@in_loop
async def test_after_the_upgrade_there_are_the_new_states_and_no_others(empty_url: str) -> None:
    async with connected(empty_url) as connection:
        await make_version_1(connection)
        await migrate.migrate(connection)
        for status in ("scheduled", "cancelled", "suspended"):
            await insert_version_1(connection, f"job_{status}", status)
        checks = "SELECT count(*) FROM pg_constraint WHERE conrelid = 'executions'::regclass AND NOT convalidated"
        assert await one(connection, checks) == 0
        with pytest.raises(Exception, match="executions_status"):
            await insert_version_1(connection, "job_x", "paused")
        # The other CHECKs of version 1 are still there.
        with pytest.raises(Exception, match="violates check constraint"):
            await insert_version_1(connection, "job_y", "pending", "activity")
        with pytest.raises(Exception, match="violates check constraint"):
            await insert_version_1(connection, "job_z", "pending", "other")


@in_loop
async def test_after_the_upgrade_no_index_knows_the_state_but_by_ready(empty_url: str) -> None:
    async with connected(empty_url) as connection:
        await make_version_1(connection)
        assert "executions_worker" in await indexes(connection)
        await migrate.migrate(connection)
        on_executions = (
            "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema() AND tablename = %s"
        )
        definitions = dict(await fetch(connection, on_executions, "executions"))
        assert set(definitions) == {
            "executions_pkey",
            "executions_parent",
            "executions_ready",
            "executions_run_at",
            "executions_unique",
        }
        assert not any("status" in text or "completed_at" in text for text in definitions.values())


@in_loop
async def test_version_1_checks_and_indexes_are_found_whatever_they_are_called(empty_url: str) -> None:
    async with connected(empty_url) as connection:
        await make_version_1(connection)
        await fetch(connection, "ALTER TABLE executions RENAME CONSTRAINT executions_status_check TO ck_17")
        await fetch(connection, 'ALTER INDEX executions_pending RENAME TO "Odd Name"')
        await migrate.migrate(connection)
        assert "Odd Name" not in await indexes(connection)
        await insert_version_1(connection, "job_1", "scheduled")


@in_loop
async def test_a_row_of_a_version_1_client_runs_after_the_upgrade(empty_url: str) -> None:
    async with connected(empty_url) as connection:
        await make_version_1(connection)
        await migrate.migrate(connection)
        await fetch(
            connection,
            "INSERT INTO executions (id, type, function_name, queue, status, args)"
            " VALUES ('job_random', 'job', 'app.f', 'q', 'pending', '[1]')",
        )
        await fetch(connection, "NOTIFY \"q\", 'job_random'")
        async with node(empty_url) as other:
            claimed = await claim(other)
            assert [(each.id, each.lease, each.args) for each in claimed.executions] == [("job_random", 1, b"[1]")]
        # A version-1 client that gives a row back keeps `ready` right without knowing it.
        await fetch(connection, "UPDATE executions SET status = 'pending' WHERE id = 'job_random'")
        assert await one(connection, "SELECT ready FROM executions")


@in_loop
async def test_a_newer_schema_is_refused_with_what_to_do(url: str) -> None:
    async with connected(url) as connection:
        newer = migrate.VERSION + 1
        await fetch(connection, f"INSERT INTO schema_migrations (version) VALUES ({newer})")
        with pytest.raises(SchemaError, match=rf"version {newer}, which this Currant .*upgrade Currant"):
            await migrate.migrate(connection)
        with pytest.raises(SchemaError, match="upgrade Currant"):
            await migrate.check(connection)


@in_loop
async def test_a_missing_or_older_schema_is_told_to_migrate(empty_url: str) -> None:
    async with connected(empty_url) as connection:
        with pytest.raises(SchemaError, match="no schema of Currant's yet: run `currant migrate`"):
            await migrate.check(connection)
        await make_version_1(connection)
        with pytest.raises(
            SchemaError, match=f"is of version 1, and this Currant works with {migrate.VERSION}: run `currant migrate`"
        ):
            await migrate.check(connection)


@in_loop
async def test_a_step_that_is_refused_changes_nothing(empty_url: str) -> None:
    async with connected(empty_url) as connection:
        # Something of the user's has a name that the second migration wants.
        await make_version_1(connection)
        await insert_version_1(connection, "job_1", "pending")
        await fetch(connection, "CREATE INDEX executions_ready ON executions (queue)")
        with pytest.raises(Exception, match="the migration was refused, and nothing has changed"):
            await migrate.migrate(connection)
        assert await queries.schema_version(connection) == 1
        assert await states(connection) == {"pending": 1}
        assert "executions_pending" in await indexes(connection)
