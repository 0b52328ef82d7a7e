"""Children that do not answer: rows 9 and 10 of the fault table, and the stacks that tell why."""

import os
import signal

from tests.process.conftest import Node, Run, World, eventually

#: On a slow machine nothing of this is quick.
PATIENCE_S = 60.0


def _stalled(node: Node) -> list[int]:
    """Returns the pids of the children that are stalled."""
    return [child.pid for child in node.status().children if child.stalled_s is not None and child.pid]


def _run_of(world: World, id: str) -> Run:
    return eventually(lambda: [run for run in world.runs() if run.id == id], PATIENCE_S)[0]  # type: ignore[no-any-return]


def _fill(world: World, node: Node, victim: int) -> list[str]:
    """Enqueues until the child has work that it has not started, and returns the ids. The child is stopped."""
    ids: list[str] = []

    def waits() -> bool:
        ids.extend(world.enqueue("sleeper", 0.01, count=50))
        (child,) = [child for child in node.status().children if child.pid == victim]
        return child.running + child.waiting > 0

    eventually(waits, PATIENCE_S)
    return ids


def test_a_stopped_child_gets_no_work_and_its_unstarted_work_goes_elsewhere(world: World) -> None:
    node = world.node("--procs", "2", "--concurrency", "4")
    victim, other = node.children()
    os.kill(victim, signal.SIGSTOP)
    ids = _fill(world, node, victim)
    # It was given some, and cannot say a word: all of it ends all the same, without a crash.
    states = world.at_rest(PATIENCE_S)
    assert states == {"completed": len(ids)}
    assert {run.pid for run in world.runs()} == {other}
    assert _stalled(node) == [victim]
    assert 'event="child stalled"' in node.log
    assert "stopped (SIGSTOP)" in node.log
    assert node.status().executions["crashed"] == 0
    # It goes on as if nothing had been, drops what others did meanwhile, and gets work again.
    os.kill(victim, signal.SIGCONT)
    eventually(lambda: not _stalled(node), PATIENCE_S)

    def works_again() -> bool:
        ids.extend(world.enqueue("sleeper", 0.1, count=8))
        return victim in {run.pid for run in world.runs()}

    eventually(works_again, PATIENCE_S)
    assert world.at_rest(PATIENCE_S) == {"completed": len(ids)}
    world.check_ledger(len(ids))
    assert node.status().child_deaths == 0
    assert 'event="child recovered"' in node.log


def test_blocking_code_keeps_its_lease_its_stack_is_logged_and_unstarted_work_goes_elsewhere(world: World) -> None:
    node = world.node("--procs", "1", "--concurrency", "2", "--grace", "60")
    (blocking,) = world.enqueue("blocking", str(world.folder / "go"))
    _run_of(world, blocking)
    # This one is given to the same child, and waits behind the blocking one.
    ids = world.enqueue("echo", count=1)
    eventually(lambda: 'event="child stalled"' in node.log, PATIENCE_S)
    assert "in blocking" in node.log
    assert "jobs.py" in node.log
    # There is no other child: what had not started is back in the database.
    assert world.row(ids[0])["status"] == "pending"
    (child,) = node.status().children
    assert child.lag_s >= 3
    (world.folder / "go").touch()
    assert world.at_rest(PATIENCE_S) == {"completed": 2}
    assert world.row(blocking)["attempt"] == 1
    world.check_ledger(2)


def test_a_child_that_stays_stalled_is_killed_and_the_reason_says_so(world: World) -> None:
    node = world.node("--procs", "1", "--stall-timeout", "1", CURRANT_CRASHES_MAX="1")
    (first,) = node.children()
    (id,) = world.enqueue("sleeper", 600, max_retries=0)
    _run_of(world, id)
    os.kill(first, signal.SIGSTOP)
    assert world.at_rest(PATIENCE_S) == {"failed": 1}
    error = world.row(id)["error"]
    assert error["type"] == "ChildDied"
    assert "its event loop did not answer for" in error["message"]
    assert "CURRANT_STALL_TIMEOUT_S" in error["message"]
    world.enqueue("echo")
    assert world.at_rest(PATIENCE_S) == {"failed": 1, "completed": 1}
    world.check_ledger(2)


def test_sigusr1_writes_all_stacks_to_the_log(world: World) -> None:
    node = world.node("--procs", "2", "--concurrency", "4")
    (id,) = world.enqueue("sync_sleeper", 600)
    _run_of(world, id)
    node.send(signal.SIGUSR1)
    eventually(lambda: node.log.count("event=stacks") == 3, PATIENCE_S)
    assert "in sync_sleeper" in node.log
    assert "Task claimer: " in node.log
    assert node.status().phase == "running"


def test_a_child_that_is_well_has_a_lag_that_status_shows(world: World) -> None:
    node = world.node("--procs", "1")
    (id,) = world.enqueue("blocking", str(world.folder / "go"))
    _run_of(world, id)
    eventually(lambda: node.status().children[0].lag_s > 0.5, PATIENCE_S)
    (world.folder / "go").touch()
    world.at_rest(PATIENCE_S)
    eventually(lambda: node.status().children[0].stalled_s is None, PATIENCE_S)
    # What was is told for a while.
    assert node.status().children[0].lag_s > 0.3
