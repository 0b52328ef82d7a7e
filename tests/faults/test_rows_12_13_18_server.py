"""Rows 12, 13, 17 and 18: the server restarts, is away, is full, takes no writes, or is not there yet."""

import contextlib
import os
import secrets
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
from currant.store.embedded import start_throwaway
from currant.store.scratch import within
from currant.supervisor.events import Event
from tests.faults.servers import Server, count
from tests.faults.trial import Trial
from tests.nodes import HANGS_S, eventually

# A restart


@pytest.mark.fault(12)
def test_a_restart_of_the_server_in_immediate_mode_under_load_loses_nothing_and_runs_nothing_twice(
    own_server: Server, trial_at: Callable[[str], Trial]
) -> None:
    trial = trial_at(own_server.url)
    node = trial.node("--procs", "2")
    running = trial.enqueue("gated", count=100)
    trial.begun(running)
    quick = trial.count(1500)
    trial.enqueue("echo", count=quick)
    with trial.fault():
        own_server.end_at_once()
    eventually(lambda: count(node, Event.CONNECTION_LOST))
    trial.open_gate()
    eventually(lambda: len(trial.runs("end")) == 100)
    # Results wait for the database.
    eventually(lambda: node.status().unsaved >= 100)
    own_server.start()
    trial.reconnect()
    assert trial.at_rest() == {"completed": 100 + quick}
    trial.recovered()
    trial.check_ledger()
    eventually(lambda: node.status().unsaved == 0)
    eventually(lambda: not node.status().connections_lost)
    # However many connections, and tries, it was. The log is written in the background.
    eventually(lambda: count(node, Event.CONNECTION_REGAINED) == 1)
    assert count(node, Event.CONNECTION_LOST) == 1
    assert node.stop() == 0


@pytest.mark.fault(12)
@pytest.mark.crash_only("restarts the server ten times")
def test_restarts_in_a_loop_under_load_lose_nothing(own_server: Server, trial_at: Callable[[str], Trial]) -> None:
    trial = trial_at(own_server.url)
    node = trial.node("--procs", "2")
    for _ in range(10):
        trial.enqueue("echo", count=trial.count(1000) // 10)
        with trial.fault():
            own_server.end_at_once()
        own_server.start()
        trial.reconnect()
        trial.enqueue("echo")
        trial.at_rest()
        trial.recovered()
    trial.check_ledger()
    assert node.stop() == 0


# Away


def _outage(trial: Trial, server: Server, nodes: int, away_s: float, timeout_s: int) -> None:
    """The server is away for so long; on its return none of the nodes declares another dead."""
    options = ("--procs", "1", "--concurrency", "8", "--heartbeat-timeout", str(timeout_s))
    started = [trial.start(*options) for _ in range(nodes)]
    for node in started:
        node.ready()
    running = trial.enqueue("gated", count=8 * nodes)
    trial.begun(running)
    quick = trial.enqueue("echo", count=trial.count(200))
    with trial.fault():
        server.stop()
    time.sleep(away_s)
    trial.open_gate()
    server.start()
    trial.reconnect()
    # However short it was: now every heartbeat is old.
    trial.rows("UPDATE worker_heartbeats SET last_heartbeat = now() - interval '1 hour' RETURNING 1")
    assert trial.at_rest() == {"completed": len(running) + len(quick)}
    trial.recovered()
    assert trial.rows("SELECT DISTINCT attempt, crashes FROM executions") == [(1, 0)]
    # Until each has had the time to judge the others: its timeout, and a tick.
    time.sleep(timeout_s + 6)
    for node in started:
        assert count(node, Event.FENCED) == count(node, Event.RECLAIMED) == 0
        # Those whose connections were idle may hear of it only when they use them, on the server's return.
        assert count(node, Event.CONNECTION_LOST) == count(node, Event.CONNECTION_REGAINED) <= 2
    assert trial.rows("SELECT DISTINCT status FROM worker_heartbeats") == [("running",)]
    trial.check_ledger()


@pytest.mark.fault(13)
def test_after_an_outage_of_the_server_neither_of_two_nodes_declares_the_other_dead(
    own_server: Server, trial_at: Callable[[str], Trial]
) -> None:
    # Twelve seconds, because a machine that stands still must not let one look dead: five between two ticks, and six
    # after which a node trusts its own no more.
    _outage(trial_at(own_server.url), own_server, nodes=2, away_s=0.5, timeout_s=12)


@pytest.mark.fault(13)
@pytest.mark.crash_only("the server is away for a minute")
def test_after_a_minute_without_the_server_none_of_four_nodes_declares_another_dead(
    own_server: Server, trial_at: Callable[[str], Trial]
) -> None:
    _outage(trial_at(own_server.url), own_server, nodes=4, away_s=60.0, timeout_s=30)


# Not there yet


@pytest.mark.fault(17)
def test_a_server_that_is_down_at_the_start_is_waited_for(own_server: Server, trial_at: Callable[[str], Trial]) -> None:
    trial = trial_at(own_server.url)
    trial.enqueue("echo", count=50)
    own_server.stop()
    node = trial.start("--procs", "1")
    eventually(lambda: count(node, Event.WAITING_FOR_DATABASE))
    assert node.process.poll() is None
    with trial.fault():
        own_server.start()
    node.ready()
    trial.recovered()
    trial.reconnect()
    assert trial.at_rest() == {"completed": 50}
    # One line, however long it takes, and none of lost connections.
    assert count(node, Event.WAITING_FOR_DATABASE) == 1
    assert count(node, Event.CONNECTION_LOST) == 0
    trial.check_ledger()
    assert node.stop() == 0


def _role_with_password(trial: Trial) -> str:
    """Returns a new role, whose password the server looks at."""
    role = f"doorkeeper_{secrets.token_hex(4)}"
    with psycopg.connect(trial.url, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'the right one'".encode())
        ((file,),) = admin.execute("SHOW hba_file").fetchall()
        rules = Path(file)
        rules.write_text(f"local all {role} scram-sha-256\n{rules.read_text()}")
        admin.execute("SELECT pg_reload_conf()")

    def asks() -> bool:
        try:
            psycopg.connect(trial.url, user=role, password="a wrong one").close()
        except psycopg.OperationalError:
            return True
        return False

    eventually(asks)
    return role


@pytest.mark.fault(17)
def test_what_no_waiting_mends_ends_the_start_and_says_what_to_do(own_trial: Trial) -> None:
    url, role = own_trial.url, _role_with_password(own_trial)
    wrong = {
        "password authentication failed": conninfo.make_conninfo(url, user=role, password="a wrong one"),
        'database "nowhere" does not exist': conninfo.make_conninfo(url, dbname="nowhere"),
        "run `currant migrate`": within(url, "nowhere"),
        "upgrade Currant": url,
    }
    own_trial.rows("INSERT INTO schema_migrations (version) VALUES (%s) RETURNING 1", migrate.VERSION + 1)
    started = {said: own_trial.start("--procs", "1", CURRANT_DATABASE_URL=each) for said, each in wrong.items()}
    for said, node in started.items():
        assert node.process.wait(HANGS_S) == 1, node.log
        (line,) = node.log.splitlines()
        assert line.startswith("currantd: error: ")
        assert said in line


# No writes


@pytest.mark.fault(18)
def test_a_server_that_takes_no_writes_is_waited_out_and_no_result_is_dropped(
    own_server: Server, trial_at: Callable[[str], Trial]
) -> None:
    trial = trial_at(own_server.url)
    node = trial.node("--procs", "1", "--concurrency", "20")
    running = trial.enqueue("gated", count=20)
    trial.begun(running)
    waiting = trial.enqueue("echo", count=trial.count(100))
    with trial.fault():
        own_server.admin("ALTER SYSTEM SET default_transaction_read_only = on")
        own_server.admin("SELECT pg_reload_conf()")
    eventually(lambda: trial.rows("SHOW default_transaction_read_only") == [("on",)])
    trial.open_gate()
    eventually(lambda: count(node, Event.CONNECTION_LOST) == 1)
    eventually(lambda: node.status().unsaved == 20)
    eventually(lambda: "read-only" in str(node.status().connections_lost))
    own_server.admin("ALTER SYSTEM RESET default_transaction_read_only")
    own_server.admin("SELECT pg_reload_conf()")
    assert trial.at_rest() == {"completed": 20 + len(waiting)}
    trial.recovered()
    assert trial.rows("SELECT DISTINCT attempt, crashes FROM executions") == [(1, 0)]
    trial.check_ledger()
    eventually(lambda: count(node, Event.CONNECTION_REGAINED) == count(node, Event.CONNECTION_LOST))
    assert node.stop() == 0


@pytest.mark.fault(18)
def test_of_several_hosts_the_one_that_takes_writes_is_used(own_trial: Trial) -> None:
    """As after a failover: the first of them is a standby now."""
    with start_throwaway(settings={"default_transaction_read_only": "on"}) as standby:
        hosts = [str(conninfo.conninfo_to_dict(each)["host"]) for each in (standby.url, own_trial.url)]
        url = conninfo.make_conninfo(own_trial.url, host=",".join(hosts))
        node = own_trial.node("--procs", "1", CURRANT_DATABASE_URL=url)
        own_trial.fault()
        own_trial.enqueue("echo", count=own_trial.count(100))
        own_trial.at_rest()
        own_trial.recovered()
        own_trial.check_ledger()
        assert node.stop() == 0


# No space


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of its own, of 200 MB."""
    folder = Path(tempfile.mkdtemp(prefix="currant-disk-"))
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=200m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        folder.rmdir()
        pytest.skip(f"a file system cannot be mounted here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=False)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.fault(18)
@pytest.mark.crash_only("needs the right to mount a file system")
def test_a_full_disk_is_waited_out_and_no_result_is_dropped(small_disk: Path, trial_at: Callable[[str], Trial]) -> None:
    server = Server(small_disk)
    try:
        trial = trial_at(server.url)
        node = trial.node("--procs", "2", "--concurrency", "50")
        running = trial.enqueue("gated", count=100)
        trial.begun(running)
        # Results of 20 kB each: more than is left.
        large = trial.enqueue("large_result", 20_000, count=500, max_retries=0)
        filler = small_disk / "filler"
        free = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
        with trial.fault(), contextlib.suppress(OSError), filler.open("wb") as file:
            for _ in range(free // (1 << 16) + 1):
                file.write(b"x" * (1 << 16))
        trial.open_gate()
        eventually(lambda: count(node, Event.CONNECTION_LOST))
        time.sleep(2)
        filler.unlink()
        with contextlib.suppress(psycopg.OperationalError):
            trial.reconnect()
        # Where the log of the server itself had no room, it has ended.
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):
            server.end_at_once()
        server.start()
        trial.reconnect()
        assert trial.at_rest() == {"completed": 100 + len(large)}
        trial.recovered()
        assert trial.rows("SELECT max(attempt), max(crashes) FROM executions") == [(1, 0)]
        trial.check_ledger()
        node.send(signal.SIGTERM)
        assert node.process.wait(HANGS_S) == 0
    finally:
        server.close()
