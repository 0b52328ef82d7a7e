"""Rows 3, 4 and 22 of the fault table: kills and drains under load, checked with the ledger."""

import os
import signal
import time

import psycopg

from tests.nodes import World, eventually, is_alive


def _running(world: World, count: int) -> None:
    eventually(lambda: len(world.runs()) - len(world.runs("end")) >= count)


def test_one_that_kills_its_child_each_time_ends_in_the_dead_letters(world: World) -> None:
    node = world.node("--procs", "1")
    (id,) = world.enqueue("killer", max_retries=0)
    assert world.at_rest() == {"failed": 1}
    row = world.row(id)
    assert row["crashes"] == 3
    assert row["error"]["type"] == "ChildDied"
    assert "SIGKILL" in row["error"]["message"]
    ((reason,),) = world.rows("SELECT failure_reason FROM dead_letter_queue")
    assert reason == "crashed 3 times: the child process that ran it ended: signal 9 (SIGKILL)"
    assert len(world.runs()) == 3
    # The node goes on.
    world.enqueue("echo")
    assert world.at_rest() == {"failed": 1, "completed": 1}
    assert node.process.poll() is None


def test_a_killed_fork_server_is_replaced_and_its_work_is_no_crash_of_the_executions(world: World) -> None:
    node = world.node("--procs", "2", "--concurrency", "8")
    ids = world.enqueue("sleeper", 1, count=16, max_retries=0)
    _running(world, 16)
    before = node.children()
    (fork_server,) = (pid for pid in node.descendants() if pid not in before)
    os.kill(fork_server, signal.SIGKILL)
    assert world.at_rest() == {"completed": 16}
    assert world.rows("SELECT DISTINCT crashes, attempt FROM executions") == [(0, 1)]
    world.check_ledger(16, twice=ids)
    assert not any(is_alive(pid) for pid in before)
    assert "fork server died" in node.log


# Row 22: SIGTERM under load


def test_a_drain_finishes_what_runs_and_gives_back_the_rest(world: World) -> None:
    node = world.node("--procs", "2", "--concurrency", "8")
    world.enqueue("sleeper", 0.5, count=2000)
    _running(world, 16)
    assert node.stop() == 0
    states = world.states()
    assert states["running"] == 0
    assert states["pending"] + states["completed"] == 2000
    assert states["completed"] == len(world.runs("end")) == len(world.runs())
    assert world.rows("SELECT DISTINCT attempt FROM executions WHERE status = 'pending'") == [(0,)]
    world.check_ledger(2000)
    assert world.rows("SELECT DISTINCT status FROM worker_heartbeats") == [("stopped",)]


def test_after_the_grace_period_what_runs_is_cancelled_and_released_uncounted(world: World) -> None:
    node = world.node("--procs", "2", "--concurrency", "8", "--grace", "0.5")
    world.enqueue("sleeper", 600, count=20)
    _running(world, 16)
    began = time.monotonic()
    assert node.stop() == 0
    assert time.monotonic() - began < 5
    assert world.states() == {"pending": 20}
    assert world.rows("SELECT DISTINCT attempt, crashes FROM executions") == [(0, 0)]
    assert not node.descendants()


def test_a_second_signal_hurries(world: World) -> None:
    node = world.node("--procs", "1", "--concurrency", "8")
    world.enqueue("sleeper", 600, count=8)
    _running(world, 8)
    node.send(signal.SIGINT)
    eventually(lambda: "draining" in node.log)
    assert node.process.poll() is None
    node.send(signal.SIGINT)
    assert node.process.wait(10) == 0
    assert world.states() == {"pending": 8}


def test_a_drain_under_quick_load_loses_nothing_and_runs_nothing_twice(world: World) -> None:
    world.enqueue("echo", count=20_000)
    for _ in range(3):
        node = world.node("--procs", "2")
        assert node.stop() == 0
        assert world.states().keys() <= {"pending", "completed"}
    world.node("--procs", "2")
    assert world.at_rest() == {"completed": 20_000}
    world.check_ledger(20_000)
    assert len(world.runs()) == 20_000


def test_an_execution_that_swallows_its_cancellation_is_ended_with_its_child(world: World) -> None:
    node = world.node("--procs", "1", "--grace", "0.1")
    world.enqueue("stubborn")
    _running(world, 1)
    assert node.stop() == 0
    assert world.states() == {"pending": 1}
    assert world.rows("SELECT attempt, crashes FROM executions") == [(0, 0)]


# A row that someone else holds


def test_a_transaction_left_open_on_one_row_holds_up_no_other(world: World) -> None:
    world.node("--procs", "1", "--concurrency", "8")
    (held,) = world.enqueue("sleeper", 1)
    eventually(lambda: world.states() == {"running": 1})
    with psycopg.connect(world.url) as other:
        other.execute("SELECT FROM executions WHERE id = %s FOR UPDATE", (held,))
        world.enqueue("sleeper", 0.9, count=4)
        eventually(lambda: len(world.runs("end")) == 5)
        eventually(lambda: world.states() == {"completed": 4, "running": 1}, within_s=4)
        other.rollback()
    assert world.at_rest() == {"completed": 5}
    world.check_ledger(5)
