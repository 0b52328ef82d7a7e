"""Migrations: fresh, repeated, many at once, and from version 1 with everything that it holds."""

import asyncio
import time
from collections.abc import Iterator
from importlib import resources

import psycopg
import pytest

from currant.errors import SchemaError
from currant.store import migrate, queries
from currant.store.connections import Connection
from currant.store.migrate import Migrated
from currant.store.scratch import Scratch
from currant.store.survey import survey_at
from currant.store.upgrade_queries import Size
from tests import version_1
from tests.conftest import empty_schema
from tests.store.support import claim, column, connected, fetch, node, one, states
from tests.support import in_loop


@pytest.fixture
def empty_url(each_server: Scratch) -> Iterator[str]:
    """Everything here is to work on both servers."""
    with empty_schema(each_server) as url:
        yield url


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
        # As `currant migrate` does: without the short lock timeout of a node's connections.
        async with connected(empty_url, hot=False) as connection:
            return await migrate.migrate(connection)

    found = await asyncio.gather(*(once() for _ in range(8)))
    newest = migrate.VERSION
    assert sorted(found) == [Migrated(0, newest)] + [Migrated(newest, newest)] * 7


@in_loop
async def test_the_upgrade_keeps_every_row_of_version_1(version_1_url: str) -> None:
    async with connected(version_1_url) as connection:
        with psycopg.connect(version_1_url, autocommit=True) as plain:
            before = version_1.dump(plain)
            assert await migrate.migrate(connection) == Migrated(1, migrate.VERSION)
            after = version_1.dump(plain)
        assert after.pop("schema_migrations")[:1] == before.pop("schema_migrations")
        assert after == before
        assert len(before["executions"]) == 44
        added = "SELECT DISTINCT lease, crashes, run_at, cancel_requested_at, unique_key FROM executions"
        assert await fetch(connection, added) == [(0, 0, None, None, None)]
        assert await column(connection, "SELECT DISTINCT ready = (status = 'pending') FROM executions") == [True]


@in_loop
async def test_the_upgrade_of_100_000_rows(empty_url: str) -> None:
    async with connected(empty_url) as connection:
        await make_version_1(connection)
        await fetch(
            connection,
            "INSERT INTO executions (id, type, function_name, queue, status, args)"
            " SELECT 'job_' || md5(n::text), 'job', 'app.f', 'q', CASE n % 2 WHEN 0 THEN 'pending' ELSE 'completed'"
            " END, jsonb_build_array(n, repeat('x', 100)) FROM generate_series(1, 100000) AS n",
        )
        told: list[tuple[int, Size]] = []
        began = time.monotonic()
        await migrate.migrate(connection, rewriting=lambda *what: told.append(what))
        print(f"100,000 rows took {time.monotonic() - began:.2f} s")
        assert await states(connection) == {"pending": 50_000, "completed": 50_000}
        ((version, size),) = told
        assert version == 2
        assert size.text.endswith(" MB")


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
async def test_checks_and_indexes_of_the_user_s_own_stay(empty_url: str) -> None:
    async with connected(empty_url) as connection:
        await make_version_1(connection)
        own = "CHECK (status <> 'suspended' OR type = 'workflow') NOT VALID"
        await fetch(connection, f"ALTER TABLE executions ADD CONSTRAINT own {own}")
        await fetch(connection, "CREATE INDEX own_by_status ON executions (function_name, status)")
        await fetch(connection, "CREATE INDEX own_by_age ON executions (queue, created_at DESC)")
        survey = await survey_at(empty_url)
        assert survey.rows is not None
        assert survey.rows.slow_indexes == ["own_by_status"]
        await migrate.migrate(connection)
        assert {"own_by_status", "own_by_age"} <= await indexes(connection)
        with pytest.raises(Exception, match="own"):
            await insert_version_1(connection, "job_1", "suspended")


@in_loop
async def test_what_version_1_left_running_is_marked_for_the_first_node(empty_url: str) -> None:
    async with connected(empty_url) as connection:
        await make_version_1(connection)
        await fetch(connection, "INSERT INTO worker_heartbeats VALUES ('w', now(), '{q}', 'running')")
        await insert_version_1(connection, "job_held", "running")
        await insert_version_1(connection, "wor_gone", "running", "workflow")
        await fetch(connection, "UPDATE executions SET worker_id = 'gone' WHERE id = 'wor_gone'")
        with_mark = "SELECT worker_id FROM worker_heartbeats WHERE metadata ? 'reclaim'"
        async with connection.transaction(force_rollback=True):
            await migrate.migrate(connection)
            # A worker vouches for the job, and workflows are not ours.
            assert await column(connection, with_mark) == []
        for id, worker in (("job_gone", "gone"), ("job_stopped", "s"), ("job_null", None)):
            await insert_version_1(connection, id, "running")
            await fetch(connection, "UPDATE executions SET worker_id = %s WHERE id = %s", worker, id)
        await fetch(connection, "INSERT INTO worker_heartbeats VALUES ('s', now(), '{q}', 'stopped')")
        assert [each.left_behind for each in (await survey_at(empty_url)).rows.states] == [3]  # type: ignore[union-attr]
        await migrate.migrate(connection)
        assert await column(connection, with_mark) == ["currant:version-1"]
        dead = await queries.declare_dead(connection, node="n", timeout_s=30)
        held = await queries.held(connection, dead, rows=10)
        assert {(each.id, each.lease) for each in held} == {("job_gone", 0), ("job_stopped", 0), ("job_null", 0)}
        # The other worker is dead as any node is, and its workflow stays as well.
        dead = await queries.declare_dead(connection, node="n", timeout_s=30, known=["w"])
        assert {each.id for each in await queries.held(connection, ["w"], rows=10)} == {"job_held"}


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
