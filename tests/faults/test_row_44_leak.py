"""Row 44: a memory leak in user code; recycling."""

import pytest

from tests.faults.trial import Trial
from tests.nodes import Node

pytestmark = pytest.mark.fault(44)


def _retired(node: Node, why: str) -> list[str]:
    return [reason for fields in node.told("child retired") if why in (reason := fields["reason"])]


def test_children_that_leak_are_recycled_between_executions_and_none_is_lost(trial: Trial) -> None:
    node = trial.node("--procs", "1", "--concurrency", "4", "--max-memory-per-child", "100M", module="fault_jobs")
    ids = trial.enqueue("fault_jobs.leaks", 1, count=min(trial.count(100), 3000), max_retries=0)
    trial.at_rest()
    while len(_retired(node, "MiB of memory")) < 2:
        # One that is past its limit works on until the next is ready, which may take its time.
        ids += trial.enqueue("fault_jobs.leaks", 1, count=20, max_retries=0)
        trial.at_rest()
    assert trial.states() == {"completed": len(ids)}
    # Each execution ran once, in one of several children, none of which has died.
    assert len({run.pid for run in trial.runs()}) >= 2
    trial.check_ledger()
    assert trial.rows("SELECT DISTINCT attempt, crashes FROM executions") == [(1, 0)]
    assert node.status().child_deaths == 0
    assert node.stop() == 0


def test_children_are_recycled_after_so_many_executions_and_none_is_lost(trial: Trial) -> None:
    node = trial.node("--procs", "2", "--concurrency", "8", "--max-executions-per-child", "50")
    ids: list[str] = []
    while len({run.pid for run in trial.runs()}) < 5:
        some = trial.enqueue("sleeper", 0.02, count=100, max_retries=0)
        ids += some
        trial.begun(some)
    if trial.crash:
        ids += trial.enqueue("sleeper", 0.02, count=trial.count(100), max_retries=0)
    assert trial.at_rest() == {"completed": len(ids)}
    assert _retired(node, "executions (CURRANT_MAX_EXECUTIONS_PER_CHILD)")
    trial.check_ledger()
    assert trial.rows("SELECT DISTINCT attempt, crashes FROM executions") == [(1, 0)]
    assert node.status().child_deaths == 0
    assert node.stop() == 0
