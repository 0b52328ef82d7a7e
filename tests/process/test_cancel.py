"""Cancels: whatever an execution is doing when someone cancels it, it ends as cancelled, or with its true result."""

import os
import signal
import time

import psycopg
import pytest

from tests.nodes import Node, World, eventually

BY_REQUEST = {"type": "Cancelled", "message": "cancelled by request"}
REPLACED = {
    "type": "Cancelled",
    "message": "cancelled by request; it did not end, and its child process was replaced",
}


def _started(world: World, *ids: str) -> None:
    eventually(lambda: {run.id for run in world.runs()} >= set(ids))


def _ended(world: World, id: str, status: str = "cancelled") -> dict[str, object]:
    eventually(lambda: world.row(id)["status"] == status)
    return world.row(id)


def test_what_waits_is_cancelled_at_once_and_never_runs(world: World) -> None:
    (scheduled,) = world.enqueue("echo", delay_s=1.0)
    (pending,) = world.enqueue("echo")
    assert world.cancel(scheduled, pending) == {scheduled, pending}
    assert world.states() == {"cancelled": 2}
    assert world.cancel(pending, "job_nobody") == set()
    world.node("--procs", "1")
    time.sleep(1.2)
    (later,) = world.enqueue("echo")
    _ended(world, later, "completed")
    assert {run.id for run in world.runs()} == {later}


def test_a_running_coroutine_is_cancelled_and_its_neighbour_is_not(world: World) -> None:
    node = world.node("--procs", "1")
    children = node.children()
    (victim,) = world.enqueue("sleeper", 600)
    (neighbour,) = world.enqueue("sleeper", 1.5)
    _started(world, victim, neighbour)
    assert world.cancel(victim) == {victim}
    row = _ended(world, victim)
    assert (row["error"], row["attempt"], row["result"]) == (BY_REQUEST, 1, None)
    assert row["completed_at"] is not None
    _ended(world, neighbour, "completed")
    assert node.children() == children
    assert world.rows("SELECT count(*) FROM dead_letter_queue") == [(0,)]
    status = node.status()
    assert (status.executions["cancelled"], status.executions["failed"], status.executions["retried"]) == (1, 0, 0)


def test_one_that_swallows_its_cancellation_and_finishes_has_completed(world: World) -> None:
    node = world.node("--procs", "1")
    children = node.children()
    (id,) = world.enqueue("takes_its_time_to_go", 1)
    # Beside another one: its child stays even if the machine stalls for so long that it is taken for stubborn.
    _started(world, id, *world.enqueue("gated"))
    world.cancel(id)
    assert _ended(world, id, "completed")["result"] == "finished"
    assert node.children() == children


def test_a_thread_that_ends_by_itself_has_completed(world: World) -> None:
    node = world.node("--procs", "1")
    children = node.children()
    (id,) = world.enqueue("sync_sleeper", 1.5)
    _started(world, id, *world.enqueue("gated"))
    world.cancel(id)
    assert _ended(world, id, "completed")["result"] == "currant-0_0"
    assert node.children() == children


@pytest.mark.parametrize("function", ["stubborn", "sync_stubborn"])
def test_what_does_not_end_is_cancelled_when_its_child_is_replaced_and_its_neighbours_end_before(
    world: World, function: str
) -> None:
    node = world.node("--procs", "1", "--concurrency", "4")
    (id,) = world.enqueue(function)
    (neighbour,) = world.enqueue("sleeper", 6)
    _started(world, id, neighbour)
    world.cancel(id)
    assert _ended(world, id)["error"] == REPLACED
    row = world.row(neighbour)
    assert (row["status"], row["attempt"], row["crashes"]) == ("completed", 1, 0)
    assert node.told("child replaced")
    assert node.status().child_deaths == 0
    # It is not run again, and its place works.
    (later,) = world.enqueue("echo")
    _ended(world, later, "completed")
    world.check_ledger(3)


def test_what_waits_in_a_childs_backlog_is_cancelled_and_never_runs(world: World) -> None:
    # Quick ones first, so that the child has a pace and gets a backlog; then long ones that fill its slots.
    node = world.node("--procs", "1", "--concurrency", "8")
    world.enqueue("echo", count=3000, priority=9)
    long = world.enqueue("gated", count=8, priority=8)
    rest = world.enqueue("echo", count=300, priority=7)
    _started(world, *long)
    assert world.cancel(*rest) == set(rest)
    for id in rest:
        _ended(world, id)
    world.open_gate()
    assert world.at_rest() == {"completed": 3008, "cancelled": 300}
    assert not {run.id for run in world.runs()} & set(rest)
    assert node.status().child_deaths == 0


def test_what_is_cancelled_while_its_claim_is_on_its_way_does_not_run(world: World) -> None:
    node = world.node("--procs", "1")
    for _ in range(5):
        ids = _claimed_unseen(world, node)
        assert world.cancel(*ids[:2]) == set(ids[:2])
        time.sleep(0.5)  # the server tells the node of the cancels, which is when it wants to, on a busy machine
        node.send(signal.SIGCONT)
        for id in ids[:2]:
            assert _ended(world, id)["error"] == BY_REQUEST
        _started(world, ids[2])
        if [run.id for run in world.runs() if run.id in ids] == [ids[2]]:
            return
    raise AssertionError("each time, the cancelled ones had begun to run")


def _claimed_unseen(world: World, node: Node) -> list[str]:
    """Has three executions claimed by the node, which is stopped before it reads the answer; returns their ids."""
    waiting = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'currantd:claim' AND wait_event_type = 'Lock'"
    for _ in range(20):
        with psycopg.connect(world.url) as connection:
            # The claim waits for the node's row, for 100 ms at most: it may be over before the node is stopped.
            connection.execute("SELECT FROM worker_heartbeats FOR UPDATE")
            ids = world.enqueue("sleeper", 600, count=3)
            eventually(lambda: world.rows(waiting))
            node.send(signal.SIGSTOP)
            connection.rollback()
        query = "SELECT count(*) FROM executions WHERE id = ANY (%s) AND status = 'running'"
        deadline = time.monotonic() + 1
        while time.monotonic() < deadline:
            if world.rows(query, ids) == [(3,)]:
                return ids
        node.send(signal.SIGCONT)
        world.cancel(*ids)
        for id in ids:
            _ended(world, id)
    raise AssertionError("the claim was over before the node was stopped, each time")


def test_no_cancel_is_lost_whatever_it_meets(world: World) -> None:
    node = world.node("--procs", "2", "--concurrency", "50")
    for _ in range(15):
        ids = world.enqueue("sleeper", 600, count=40)
        assert world.cancel(*ids) == set(ids)
    eventually(lambda: world.states() == {"cancelled": 600})
    eventually(lambda: all(child.running == 0 for child in node.status().children))
    world.check_ledger(600)
    assert node.status().child_deaths == 0


def test_a_cancel_that_was_lost_with_the_listen_is_found_when_it_is_back(world: World) -> None:
    node = world.node("--procs", "1")
    (id, other) = world.enqueue("sleeper", 600, count=2)
    _started(world, id, other)
    node.send(signal.SIGSTOP)
    with psycopg.connect(world.url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'currantd:listen'"
        )
    # Nobody listens.
    assert world.cancel(id) == {id}
    node.send(signal.SIGCONT)
    assert _ended(world, id)["error"] == BY_REQUEST
    assert world.row(other)["status"] == "running"
    assert world.cancel(other) == {other}
    _ended(world, other)


def test_one_that_is_cancelled_is_not_run_again_after_its_childs_death(world: World) -> None:
    node = world.node("--procs", "1")
    (child,) = node.children()
    (id,) = world.enqueue("stubborn")
    _started(world, id)
    world.cancel(id)
    os.kill(child, signal.SIGKILL)
    row = _ended(world, id)
    assert row["error"]["type"] == "ChildDied"  # type: ignore[index]
    (later,) = world.enqueue("echo")
    _ended(world, later, "completed")
    assert [run.id for run in world.runs()] == [id, later]


def test_one_that_is_cancelled_is_cancelled_and_not_released_by_a_drain(world: World) -> None:
    node = world.node("--procs", "1", "--grace", "0.2")
    (id,) = world.enqueue("sync_stubborn")
    _started(world, id)
    world.cancel(id)
    assert node.stop() == 0
    assert world.states() == {"cancelled": 1}


def test_one_that_is_cancelled_is_not_run_again_after_its_nodes_death(world: World) -> None:
    node = world.node("--procs", "1")
    (id,) = world.enqueue("stubborn")
    _started(world, id)
    world.cancel(id)
    node.process.kill()
    node.process.wait()
    world.node("--procs", "1", folder=node.folder)
    _ended(world, id)
    assert len(world.runs()) == 1
