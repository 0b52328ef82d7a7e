"""Rows of the fault table that a server causes: lost connections, a restart, replies that never come, odd rows."""

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import conninfo

from currant.store import migrate
from currant.store.embedded import start_kept, start_throwaway
from currant.store.embedded.watcher import DATA
from currant.supervisor.events import Event
from tests.nodes import Node, World, eventually
from tests.process.proxy import Proxy


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
    return node.log.count(f'event="{event}"')


def _seconds(condition: Callable[[], object]) -> float:
    """Waits until the condition is true and returns how long that took."""
    began = time.monotonic()
    eventually(condition)
    return time.monotonic() - began


# Connections that end


@pytest.mark.parametrize("connection", ["currantd:listen", "currantd:claim", "currantd:complete"])
def test_a_connection_that_ends_again_and_again_under_load_costs_a_line_each_time_and_nothing_else(
    own_world: World, connection: str
) -> None:
    node = own_world.node("--procs", "2")
    rounds, rows = 8, 1500
    for number in range(1, rounds + 1):
        # Work first: a loss is noticed by the next statement, and the load goes on through it.
        own_world.enqueue("echo", count=rows)
        ((ended,),) = own_world.rows(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = %s", connection
        )
        assert ended == 1
        own_world.enqueue("echo", count=10)
        eventually(lambda number=number: _count(node, Event.CONNECTION_REGAINED) == number)  # type: ignore[misc]
    total = rounds * (rows + 10)
    assert own_world.at_rest() == {"completed": total}
    own_world.check_ledger(total)
    assert len(own_world.runs()) == total
    assert _count(node, Event.CONNECTION_LOST) == _count(node, Event.CONNECTION_REGAINED) == rounds
    assert not node.status().connections_lost
    # It listens again: the tick, which comes every five seconds, finds one of five in time by chance.
    taken_s = []
    for number in range(1, 6):
        own_world.enqueue("echo")
        taken_s.append(_seconds(lambda number=number: own_world.states() == {"completed": total + number}))  # type: ignore[misc]
    assert min(taken_s) < 2


def test_a_restart_of_the_server_in_immediate_mode_under_load_loses_nothing_and_runs_nothing_twice(
    tmp_path: Path,
) -> None:
    # Not below pytest's own folder, which only its user can pass.
    base = Path(tempfile.mkdtemp(prefix="currant-restart-"))
    base.chmod(0o755)
    server = start_kept(base / "pg")
    world = None
    try:
        asyncio.run(migrate.migrate_at(server.url))
        world = World(server.url, tmp_path)
        node = world.node("--procs", "2")
        total = 6000
        world.enqueue("sleeper", 2, count=100)
        eventually(lambda: len(world.runs()) == 100)
        world.enqueue("echo", count=total - 100)
        eventually(lambda: world.states()["completed"] > 500)
        os.kill(int((base / "pg" / DATA / "postmaster.pid").read_text().split()[0]), signal.SIGQUIT)
        eventually(lambda: _count(node, Event.CONNECTION_LOST))
        eventually(lambda: len(world.runs("end")) == 100)
        # Results wait for the database.
        assert node.status().unsaved >= 100
        server.stop()
        server = start_kept(base / "pg")
        world.reconnect()
        assert world.at_rest() == {"completed": total}
        world.check_ledger(total)
        assert len(world.runs()) == total
        eventually(lambda: node.status().unsaved == 0)
        eventually(lambda: not node.status().connections_lost)
        # However many connections, and tries, it was. The log is written in the background.
        eventually(lambda: _count(node, Event.CONNECTION_REGAINED) == 1)
        assert _count(node, Event.CONNECTION_LOST) == 1
        assert node.stop() == 0
    finally:
        if world is not None:
            world.close()
        server.stop()
        shutil.rmtree(base)


# Claims whose reply does not come


def test_what_was_claimed_by_a_claim_whose_reply_was_cut_runs_within_seconds_and_once(own_world: World) -> None:
    with Proxy(own_world.url) as proxy:
        node = own_world.node("--procs", "2", CURRANT_DATABASE_URL=proxy.url)
        proxy.cut_next_claim()
        own_world.enqueue("echo", count=50)
        assert own_world.at_rest() == {"completed": 50}
        assert proxy.cuts == 1
        # Claimed twice, run once, and the first time does not count as an attempt.
        assert own_world.rows("SELECT DISTINCT attempt, lease, crashes FROM executions") == [(1, 2, 0)]
        assert len(own_world.runs()) == 50
        own_world.check_ledger(50)
        eventually(lambda: _count(node, Event.FOUND) == 1)
        node.end()


def test_claims_that_are_slow_and_cut_under_load_lose_nothing_and_run_nothing_twice(own_world: World) -> None:
    with Proxy(own_world.url) as proxy:
        proxy.delay_s = (0.05, 0.2)
        node = own_world.node("--procs", "2", CURRANT_DATABASE_URL=proxy.url)
        rounds = 6
        for number in range(1, rounds + 1):
            own_world.enqueue("sleeper", 0.3, count=200)
            proxy.cut_next_claim()
            eventually(lambda number=number: proxy.cuts == number)  # type: ignore[misc]
            eventually(lambda: own_world.states()["pending"] < 100)
        total = rounds * 200
        assert own_world.at_rest() == {"completed": total}
        own_world.check_ledger(total)
        assert len(own_world.runs("end")) == total
        assert own_world.rows("SELECT DISTINCT attempt, crashes FROM executions") == [(1, 0)]
        assert max(lease for (lease,) in own_world.rows("SELECT lease FROM executions")) > 1
        node.end()


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
    (locked,) = world.enqueue("sleeper", 0.5)
    eventually(world.runs)
    with psycopg.connect(world.url) as other:
        other.execute("SELECT FROM executions WHERE id = %s FOR UPDATE", (locked,))
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
        started = own_world.enqueue("sleeper", 1, count=20)
        eventually(lambda: len(own_world.runs()) == 20)
        admin.execute("ALTER ROLE app NOLOGIN")
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app'")
        # The results want to be written, and may not.
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
