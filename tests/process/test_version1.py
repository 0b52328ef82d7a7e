"""From a version-1 database with data to a running currantd, on both servers."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from currant.store import migrate
from currant.store.scratch import Scratch
from tests import version_1
from tests.conftest import empty_schema
from tests.nodes import World, eventually


@pytest.fixture(params=[False, True], ids=["published", "by the facts alone"])
def world(each_server: Scratch, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[World]:
    """A world on version 1, its tables empty."""
    with empty_schema(each_server) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            version_1.make(connection, loose=request.param)
        world = World(url, tmp_path)
        yield world
        world.close()


#: For what is the same with both kinds of version 1.
by_the_facts_alone = pytest.mark.parametrize("world", [True], indirect=True, ids=["by the facts alone"])


def upgrade(world: World) -> None:
    assert asyncio.run(migrate.migrate_at(world.url)).before == 1


def status_of(world: World, *ids: str) -> list[str]:
    return [world.row(id)["status"] for id in ids]


def test_pending_jobs_run_after_the_upgrade_and_everything_else_is_left_alone(world: World) -> None:
    with psycopg.connect(world.url, autocommit=True) as connection:
        version_1.fill(connection)
        before = version_1.dump(connection)
        upgrade(world)
        after = version_1.dump(connection)
        assert after.pop("schema_migrations")[:1] == before.pop("schema_migrations")
        assert after == before
        waiting = {id for (id,) in world.rows("SELECT id FROM executions WHERE status = 'pending' AND type = 'job'")}
        assert len(waiting) == 9
        # What version-1 workers left running is not taken back while the test runs.
        world.node("--procs", "1", CURRANT_HEARTBEAT_TIMEOUT_S="3600")
        eventually(lambda: set(status_of(world, *waiting)) == {"completed"})
        assert {run.id for run in world.runs()} == waiting
        at_end = version_1.dump(connection)
        for table in ("dead_letter_queue", "workflow_signals"):
            assert at_end[table] == before[table]
        others = [[row for row in each["executions"] if row[0] not in waiting] for each in (at_end, before)]
        assert others[0] == others[1]


def test_what_a_version_1_client_inserts_and_notifies_runs_at_once(world: World) -> None:
    upgrade(world)
    world.node("--procs", "1")
    taken_s = []
    with psycopg.connect(world.url, autocommit=True) as client:
        for number in range(5):
            began = time.monotonic()
            with client.transaction():
                id = version_1.execution(client, "pending", args=[number])
                client.execute(sql.SQL('NOTIFY "test", {}').format(sql.Literal(id)))
            eventually(lambda id=id: status_of(world, id) == ["completed"])  # type: ignore[misc]
            taken_s.append(time.monotonic() - began)
            assert world.row(id)["result"] == number
    # The tick would find them too, every 5 s: of five in a row, the quickest was notified.
    assert min(taken_s) < 2.0, taken_s


@by_the_facts_alone
def test_what_version_1_workers_left_running_runs_again_and_workflows_do_not(world: World) -> None:
    with psycopg.connect(world.url, autocommit=True) as connection:
        version_1.fill(connection)
        connection.execute("DELETE FROM executions WHERE type = 'job' AND status <> 'running'")
        left = [
            version_1.execution(connection, "running", worker_id=worker, attempt=1, args=["again"])
            for worker in ("v1_old", "v1_stopped", "v1_nowhere", None)
        ]
        flows = [version_1.execution(connection, "running", "workflow", worker_id=each) for each in ("v1_old", None)]
        stays = [row for row in version_1.dump(connection)["executions"] if row[1] != "job"]
        upgrade(world)
        assert status_of(world, *left) == ["running"] * 4
        world.node("--procs", "1", CURRANT_HEARTBEAT_TIMEOUT_S="6")
        eventually(lambda: set(status_of(world, *left)) == {"completed"})
        assert [world.row(id)["crashes"] for id in left] == [1] * 4
        assert {run.id for run in world.runs()} >= set(left)
        # fill's own three, too; of everything else nothing has changed.
        query = "SELECT count(*) FROM executions WHERE type = 'job' AND status = 'completed'"
        eventually(lambda: world.rows(query) == [(7,)])
        assert status_of(world, *flows) == ["running"] * 2
        assert [row for row in version_1.dump(connection)["executions"] if row[1] != "job"] == stays
        marks = "SELECT worker_id FROM worker_heartbeats WHERE metadata ? 'reclaim'"
        eventually(lambda: world.rows(marks) == [])


@by_the_facts_alone
def test_nulls_that_version_1_allowed_stand_for_the_defaults(world: World) -> None:
    with psycopg.connect(world.url, autocommit=True) as connection:
        columns = ("priority", "args", "kwargs", "options", "attempt", "max_retries", "created_at")
        for nulls in (*({column: None} for column in columns), dict.fromkeys(columns)):
            version_1.execution(connection, "pending", "job", **nulls)
        failing = version_1.execution(connection, "pending", function_name="jobs.failing", max_retries=None)
    upgrade(world)
    world.node("--procs", "1", CURRANT_RETRY_BASE_S="0.01")
    eventually(lambda: world.states() == {"completed": 8, "failed": 1})
    assert world.row(failing)["attempt"] == 4
