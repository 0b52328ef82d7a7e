"""Rows of the fault table that a server causes: lost connections, a restart, replies that never come, odd rows."""

import asyncio
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import conninfo

from currant.store import migrate
from currant.store.embedded import start_throwaway
from currant.supervisor.events import Event
from tests.nodes import Node, World, eventually


@pytest.fixture
def own_url() -> Iterator[str]:
    """The address of a server of the test's own: it may hit every connection there, and change its roles."""
    with start_throwaway() as server:
        asyncio.run(migrate.migrate_at(server.url))
        yield server.url


@pytest.fixture
def own_world(own_url: str, tmp_path: Path) -> Iterator[World]:
    world = World(own_url, tmp_path)
    yield world
    world.close()


def _count(node: Node, event: Event) -> int:
    """Counts the log lines of an event."""
    return len(node.told(event))


def _seconds(condition: Callable[[], object]) -> float:
    """Waits until the condition is true and returns how long that took."""
    began = time.monotonic()
    eventually(condition)
    return time.monotonic() - began


# Rows that nobody should have written


@pytest.mark.parametrize(
    ("columns", "values", "ends"),
    [
        ("function_name, options", """'jobs.echo', '{"timeout": "abc"}'""", "completed"),
        ("function_name, attempt", "'jobs.echo', 2147483647", "completed"),
        ("function_name", "repeat('x', 5000000)", "failed"),
        ("function_name, error", """'nowhere.nothing', '{"parked": "abc"}'""", "scheduled"),
        ("function_name, args", """'jobs.echo', 'null'""", "failed"),
    ],
    ids=["timeout", "attempt", "name", "parked", "args"],
)
def test_a_row_that_nobody_should_have_written_harms_no_other(
    world: World, columns: str, values: str, ends: str
) -> None:
    node = world.node("--procs", "2")
    world.rows(
        f"INSERT INTO executions (id, type, queue, status, priority, {columns})"
        f" VALUES ('job_odd', 'job', 'test', 'pending', 9, {values}) RETURNING pg_notify('test', '')"
    )
    others = world.enqueue("echo", count=100)

    def left() -> list[tuple[object, ...]]:
        return world.rows("SELECT 1 FROM executions WHERE id = ANY (%s) AND status <> 'completed'", others)

    eventually(lambda: not left())
    eventually(lambda: world.row("job_odd")["status"] == ends)
    assert node.process.poll() is None
    others += world.enqueue("echo")
    eventually(lambda: not left())
    world.check_ledger(102)
    assert node.stop() == 0


# What other sessions do


def test_a_result_whose_row_is_locked_while_the_node_stops_is_not_forgotten(world: World) -> None:
    node = world.node("--procs", "1")
    (locked,) = world.enqueue("gated")
    eventually(world.runs)
    with psycopg.connect(world.url) as other:
        other.execute("SELECT FROM executions WHERE id = %s FOR UPDATE", (locked,))
        world.open_gate()
        eventually(lambda: world.runs("end"))
        assert node.stop() == 0
    # Its result is lost with the node; the execution is not.
    assert world.row(locked)["status"] == "running"
    world.node("--procs", "1", folder=node.folder, CURRANT_HEARTBEAT_TIMEOUT_S="6")
    assert world.at_rest() == {"completed": 1}
    world.check_ledger(1, twice=[locked])


def test_a_table_that_is_gone_for_a_moment_is_waited_out(own_world: World) -> None:
    node = own_world.node("--procs", "1")
    with psycopg.connect(own_world.url, autocommit=True) as admin:
        admin.execute("ALTER TABLE executions RENAME TO away")
        # Each part of the node that may ask for the table has to: the claimer, and the search for a claim that is lost.
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'currantd:claim'"
        )
        admin.execute("NOTIFY test")
        eventually(lambda: _count(node, Event.STATEMENT_REFUSED) or node.process.poll() is not None)
        with pytest.raises(subprocess.TimeoutExpired):
            node.process.wait(1)
        admin.execute("ALTER TABLE away RENAME TO executions")
    own_world.enqueue("echo", count=100)
    assert own_world.at_rest() == {"completed": 100}
    own_world.check_ledger(100)
    assert node.stop() == 0


# Roles


def test_a_role_that_is_refused_for_a_moment_is_waited_out(own_world: World) -> None:
    with psycopg.connect(own_world.url, autocommit=True) as admin:
        admin.execute("CREATE ROLE app LOGIN SUPERUSER")
        node = own_world.node("--procs", "1", CURRANT_DATABASE_URL=conninfo.make_conninfo(own_world.url, user="app"))
        started = own_world.enqueue("gated", count=20)
        eventually(lambda: len(own_world.runs()) == 20)
        admin.execute("ALTER ROLE app NOLOGIN")
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'")
        # The results want to be written, and may not.
        own_world.open_gate()
        eventually(lambda: len(own_world.runs("end")) == 20)
        eventually(lambda: _count(node, Event.CONNECTION_LOST))
        eventually(lambda: node.status().unsaved == 20)
        eventually(lambda: "not permitted to log in" in str(node.status().connections_lost))
        assert node.process.poll() is None
        admin.execute("ALTER ROLE app LOGIN")
    own_world.enqueue("echo", count=20)
    assert own_world.at_rest() == {"completed": 40}
    assert own_world.rows("SELECT DISTINCT attempt FROM executions WHERE id = ANY (%s)", started) == [(1,)]
    own_world.check_ledger(40)
    assert node.stop() == 0
