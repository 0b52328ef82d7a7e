"""Row 27: code that swallows its cancellation, never yields, or goes on in a thread past its timeout."""

import pytest

from tests.faults.trial import Trial
from tests.nodes import eventually

pytestmark = pytest.mark.fault(27)

MODULES = "jobs,clinging_jobs"


@pytest.mark.parametrize("how", ["swallows its cancellation", "never yields", "goes on in a thread"])
def test_past_its_timeout_it_is_retried_when_its_child_is_dead_and_not_before(trial: Trial, how: str) -> None:
    node = trial.node("--procs", "2", "--concurrency", "4", "--grace", "1", module=MODULES)
    neighbours = trial.enqueue("gated", count=4, max_retries=0)
    trial.begun(neighbours)
    function, arguments = ("clings_in_a_thread", []) if "thread" in how else ("clings", [how])
    with trial.fault():
        (id,) = trial.enqueue(f"clinging_jobs.{function}", *arguments, max_retries=1, timeout_s=2)
    trial.begun([id])
    quick = trial.enqueue("echo", count=trial.count(200))
    eventually(lambda: trial.row(id)["status"] == "completed")
    trial.recovered()
    trial.open_gate()
    assert trial.at_rest() == {"completed": 5 + len(quick)}
    row = trial.row(id)
    assert (row["attempt"], row["crashes"], row["result"]) == (2, 0, "at last")
    first, second = (run for run in trial.runs() if run.id == id)
    assert first.pid != second.pid
    assert trial.runs("beside") == []
    # Those that ran beside it were released with its child, uncounted.
    assert {trial.row(id)["attempt"] for id in neighbours} == {1}
    assert trial.crashed() == set()
    trial.check_ledger(twice=[id, *neighbours, *quick])
    eventually(lambda: node.told("child replaced"))
    assert node.status().child_deaths == 0


def test_one_that_swallows_every_cancellation_is_a_dead_letter_that_says_so(trial: Trial) -> None:
    trial.node("--procs", "1", "--grace", "0.5")
    with trial.fault():
        (id,) = trial.enqueue("stubborn", max_retries=0, timeout_s=1)
    assert trial.at_rest() == {"failed": 1}
    trial.recovered()
    row = trial.row(id)
    assert (row["attempt"], row["crashes"], row["error"]["type"]) == (1, 0, "Timeout")
    assert "it could not be cancelled, and its child process was replaced" in row["error"]["message"]
    trial.enqueue("echo")
    assert trial.at_rest() == {"failed": 1, "completed": 1}
    trial.check_ledger()
