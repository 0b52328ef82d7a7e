"""Row 2: a child segfaults, calls os._exit, is killed."""

import pytest

from tests.faults.trial import Trial
from tests.nodes import eventually


@pytest.mark.fault(2)
@pytest.mark.parametrize(
    ("how", "said"), [("segfault", "SIGSEGV"), ("exit", "exit code 7"), ("kill", "SIGKILL")], ids=lambda value: value
)
def test_how_a_child_ended_is_told_and_its_neighbours_complete(trial: Trial, how: str, said: str) -> None:
    node = trial.node("--procs", "2", "--concurrency", "16", module="jobs,fault_jobs")
    (deadly,) = trial.enqueue("fault_jobs.ends_its_child", how, 100, max_retries=0)
    assert trial.at_rest() == {"failed": 1}
    row = trial.row(deadly)
    assert (row["crashes"], row["error"]["type"]) == (3, "ChildDied")
    assert said in row["error"]["message"]
    # Among neighbours.
    quick = trial.enqueue("echo", count=trial.count(300), max_retries=0)
    (once,) = trial.enqueue("fault_jobs.ends_its_child", how, 1, max_retries=0, priority=9)
    trial.begun([once], times=2)
    first, second = (run.at for run in trial.runs() if run.id == once)
    trial.measured(second - first)
    assert trial.at_rest() == {"completed": len(quick) + 1, "failed": 1}
    eventually(lambda: node.log.count(said) >= 4)
    # The unit survives, with as many children as before.
    eventually(lambda: len(node.children()) == 2)
    assert node.status().child_deaths == 4
    trial.check_ledger(twice=trial.crashed())
    assert node.stop() == 0
