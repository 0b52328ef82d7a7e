"""Row 28: user code closes Currant's sockets, writes to them, forks, spawns."""

import pytest

from tests.faults.trial import Trial
from tests.nodes import eventually

pytestmark = pytest.mark.fault(28)


@pytest.mark.parametrize("how", ["close", "length", "nonsense"])
def test_what_it_does_to_our_sockets_is_its_childs_crash_and_never_the_supervisors(trial: Trial, how: str) -> None:
    node = trial.node("--procs", "2", "--concurrency", "16", module="jobs,fault_jobs")
    (hostile,) = trial.enqueue("fault_jobs.misuses_sockets", how, max_retries=0)
    assert trial.at_rest() == {"failed": 1}
    row = trial.row(hostile)
    assert (row["crashes"], row["error"]["type"]) == (3, "ChildDied")
    quick = trial.enqueue("echo", count=trial.count(300))
    assert trial.at_rest() == {"failed": 1, "completed": len(quick)}
    trial.check_ledger(twice=[hostile])
    eventually(lambda: len(node.children()) == 2)
    assert node.stop() == 0


@pytest.mark.parametrize("how", ["fork", "spawn"])
def test_processes_that_it_makes_and_forgets_harm_nothing(trial: Trial, how: str) -> None:
    node = trial.node("--procs", "2", "--concurrency", "16", module="jobs,fault_jobs")
    trial.enqueue("fault_jobs.has_children", how, count=20, max_retries=0)
    quick = trial.enqueue("echo", count=trial.count(300))
    assert trial.at_rest() == {"completed": 20 + len(quick)}
    trial.check_ledger()
    assert not node.status().child_deaths
    assert node.stop() == 0
