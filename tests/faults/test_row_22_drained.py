"""Row 22: SIGTERM under load."""

import signal

import pytest

from tests.faults.trial import Trial
from tests.nodes import HANGS_S, eventually

pytestmark = pytest.mark.fault(22)


def test_a_drain_under_load_lets_end_what_does_cancels_and_kills_the_rest_and_gives_all_of_it_back(
    trial: Trial,
) -> None:
    # So long that a machine which stands still for a moment cuts none of those that end.
    node = trial.node("--procs", "2", "--concurrency", "16", "--grace", "5", module="stop_jobs")
    endless = trial.enqueue("stop_jobs.endless_at_first", count=4, priority=9)
    stubborn = trial.enqueue("stop_jobs.stubborn_at_first", count=2, priority=9)
    brief = trial.enqueue("stop_jobs.brief", count=trial.count(600))
    trial.begun(endless + stubborn)
    eventually(lambda: len(trial.runs("end")) > 20)
    with trial.fault():
        assert node.stop() == 0
    trial.recovered()
    # Nothing is left running, nothing is counted, and no process stays behind.
    assert trial.states().keys() <= {"completed", "pending"}
    assert trial.rows("SELECT DISTINCT attempt, crashes FROM executions WHERE status = 'pending'") == [(0, 0)]
    assert not node.descendants()
    assert trial.rows("SELECT DISTINCT status FROM worker_heartbeats") == [("stopped",)]
    # What ended within the grace period is recorded: it does not run again.
    ended = {run.id for run in trial.runs("end")}
    assert {id for (id,) in trial.rows("SELECT id FROM executions WHERE status = 'completed'")} == ended
    trial.node("--procs", "2", "--concurrency", "16", module="stop_jobs")
    assert trial.at_rest() == {"completed": len(endless + stubborn + brief)}
    trial.check_ledger(twice=endless + stubborn)


def test_what_has_not_started_goes_back_before_the_grace_period_is_over(trial: Trial) -> None:
    node = trial.node("--procs", "1", "--concurrency", "8", "--grace", "3600")
    quick, _, _ = trial.begin_with_backlog(quick=trial.count(1000), long=8)
    trial.fault()
    node.send(signal.SIGTERM)
    eventually(lambda: node.told("draining"))
    eventually(lambda: trial.states().keys() == {"completed", "pending", "running"} and trial.states()["running"] == 8)
    trial.recovered()
    completed = trial.states()["completed"]
    assert node.process.poll() is None
    assert node.status().phase == "draining"
    trial.open_gate()
    assert node.process.wait(HANGS_S) == 0
    # What was enqueued meanwhile, or given back, nobody claimed.
    assert trial.states() == {"completed": completed + 8, "pending": 300 + len(quick) - completed}
    trial.node("--procs", "1")
    assert trial.at_rest() == {"completed": len(quick) + 308}
    trial.check_ledger()


def test_drains_under_quick_load_lose_nothing_and_run_nothing_twice(trial: Trial) -> None:
    ids = trial.enqueue("echo", count=trial.count(6000))
    for _ in range(2):
        node = trial.node("--procs", "2")
        assert node.stop() == 0
        assert trial.states().keys() <= {"pending", "completed"}
    trial.node("--procs", "2")
    assert trial.at_rest() == {"completed": len(ids)}
    trial.check_ledger()
    assert len(trial.runs()) == len(ids)
