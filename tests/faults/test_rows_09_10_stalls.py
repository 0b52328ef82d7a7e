"""Rows 9 and 10: children that do not answer, because somebody stopped them or because their code blocks."""

import os
import signal

import pytest

from tests.faults.trial import Trial
from tests.nodes import Node, eventually


def _stalled(node: Node) -> list[int]:
    """Returns the pids of the children that are stalled."""
    return [child.pid for child in node.status().children if child.stalled_s is not None and child.pid]


def _waiting(trial: Trial, others: set[str]) -> int:
    """Returns how many executions have not ended, but for those others."""
    ((count,),) = trial.rows(
        "SELECT count(*) FROM executions WHERE completed_at IS NULL AND id <> ALL (%s)", list(others)
    )
    return count  # type: ignore[no-any-return]


@pytest.mark.fault(9)
def test_a_stopped_child_gets_no_work_and_its_unstarted_work_goes_elsewhere(trial: Trial) -> None:
    node = trial.node("--procs", "2", "--concurrency", "4")
    victim, other = node.children()
    with trial.fault():
        os.kill(victim, signal.SIGSTOP)
    count = 0

    def is_given_some() -> bool:
        nonlocal count
        count += len(trial.enqueue("echo", count=50))
        (child,) = [child for child in node.status().children if child.pid == victim]
        return child.running + child.waiting > 0

    eventually(is_given_some)
    count += len(trial.enqueue("echo", count=trial.count(300)))
    # It was given some, and cannot say a word: all of it ends all the same, without a crash.
    assert trial.at_rest() == {"completed": count}
    trial.recovered()
    assert {run.pid for run in trial.runs()} == {other}
    eventually(lambda: _stalled(node) == [victim])
    eventually(lambda: "stopped (SIGSTOP)" in node.log)
    assert node.told("child stalled")
    assert node.status().executions["crashed"] == 0
    # It goes on as if nothing had been, drops what others did meanwhile, and gets work again.
    os.kill(victim, signal.SIGCONT)
    eventually(lambda: not _stalled(node))
    trial.begun(trial.enqueue("gated", count=8))
    assert {run.pid for run in trial.runs()} == {victim, other}
    trial.open_gate()
    assert trial.at_rest() == {"completed": count + 8}
    trial.check_ledger()
    assert node.status().child_deaths == 0
    eventually(lambda: node.told("child recovered"))


@pytest.mark.fault(9)
def test_a_child_stopped_with_a_backlog_runs_nothing_of_it_beside_the_others(trial: Trial) -> None:
    node = trial.node("--procs", "2", "--concurrency", "8")
    quick, long, rest = trial.begin_with_backlog(quick=trial.count(3000), long=16)
    victim = node.children()[0]
    with trial.fault():
        os.kill(victim, signal.SIGSTOP)
    more = trial.enqueue("echo", count=300, priority=7)
    eventually(lambda: _stalled(node) == [victim])
    trial.open_gate()
    ids = [*quick, *long, *rest, *more]
    begun_there = {run.id for run in trial.runs() if run.pid == victim}
    assert begun_there & set(long)
    eventually(lambda: not _waiting(trial, begun_there))
    trial.recovered()
    # It drops what it had not started, and ends what it had.
    os.kill(victim, signal.SIGCONT)
    assert trial.at_rest() == {"completed": len(ids)}
    eventually(lambda: not _stalled(node))
    trial.check_ledger()


@pytest.mark.fault(9)
def test_a_child_that_stays_stalled_is_killed_and_the_reason_says_so(trial: Trial) -> None:
    node = trial.node("--procs", "1", "--stall-timeout", "1", CURRANT_CRASHES_MAX="1")
    (first,) = node.children()
    (id,) = trial.enqueue("gated", max_retries=0)
    trial.begun([id])
    with trial.fault():
        os.kill(first, signal.SIGSTOP)
    assert trial.at_rest() == {"failed": 1}
    trial.recovered()
    error = trial.row(id)["error"]
    assert error["type"] == "ChildDied"
    assert "its event loop did not answer for" in error["message"]
    assert "CURRANT_STALL_TIMEOUT_S" in error["message"]
    trial.enqueue("echo")
    assert trial.at_rest() == {"failed": 1, "completed": 1}
    trial.check_ledger()


@pytest.mark.fault(10)
def test_blocking_code_keeps_its_lease_its_stack_is_logged_and_unstarted_work_goes_elsewhere(trial: Trial) -> None:
    node = trial.node("--procs", "1", "--concurrency", "2")
    with trial.fault():
        (blocking,) = trial.enqueue("blocking")
        trial.begun([blocking])
    # This one is given to the same child, and waits behind the blocking one.
    (waiting,) = trial.enqueue("echo")
    eventually(lambda: node.told("child stalled"))
    trial.recovered()
    assert "in blocking" in node.log
    assert "jobs.py" in node.log
    # There is no other child: what had not started is back in the database.
    eventually(lambda: trial.row(waiting)["status"] == "pending")
    # A supervisor that stood still itself measures anew.
    eventually(lambda: node.status().children[0].lag_s >= 3)
    trial.open_gate()
    assert trial.at_rest() == {"completed": 2}
    assert trial.row(blocking)["attempt"] == 1
    trial.check_ledger()
