"""Row 1: kill -9 of a child with running and unstarted work."""

import os
import signal

import pytest

from tests.faults.trial import Trial
from tests.nodes import eventually

pytestmark = pytest.mark.fault(1)


def test_a_killed_childs_running_work_is_retried_and_nothing_else_notices(trial: Trial) -> None:
    node = trial.node("--procs", "2", "--concurrency", "100")
    ids = trial.enqueue("gated", count=128, max_retries=0)
    trial.begun(ids)
    victim, sibling = node.children()
    held = {run.id for run in trial.runs() if run.pid == victim}
    assert len(held) >= 28
    quick = trial.enqueue("echo", count=trial.count(300), max_retries=0)
    with trial.fault():
        os.kill(victim, signal.SIGKILL)
    # Retried at once, although `retries=0`: a crash is not the execution's failure.
    trial.begun(held, times=2)
    again = [run for run in trial.runs() if run.id in held and run.pid != victim]
    # The last of them. A timeout would be the heartbeat's.
    assert trial.recovered(at=max(run.at for run in again)) < trial.promised(1, busy=30)
    trial.open_gate()
    assert trial.at_rest() == {"completed": 128 + len(quick)}
    assert all(run.attempt == 2 for run in again)
    assert trial.rows("SELECT DISTINCT crashes FROM executions WHERE id = ANY (%s)", list(held)) == [(1,)]
    others = [id for id in ids if id not in held]
    assert trial.rows("SELECT DISTINCT crashes, attempt FROM executions WHERE id = ANY (%s)", others) == [(0, 1)]
    trial.check_ledger(twice=trial.crashed())
    assert sibling in node.children()
    assert node.status().child_deaths == 1
    eventually(lambda: len(node.children()) == 2)
    assert victim not in node.children()
    eventually(lambda: "SIGKILL" in node.log)


def test_a_killed_childs_unstarted_work_goes_back_uncounted(trial: Trial) -> None:
    node = trial.node("--procs", "1", "--concurrency", "8")
    quick, long, rest = trial.begin_with_backlog(quick=trial.count(3000), long=8)
    (child,) = node.children()
    with trial.fault():
        os.kill(child, signal.SIGKILL)
    trial.begun(long, times=2)
    assert trial.recovered(at=max(run.at for run in trial.runs() if run.id in long)) < trial.promised(1, busy=30)
    trial.open_gate()
    assert trial.at_rest() == {"completed": len(quick) + 308}
    crashed = trial.crashed()
    assert crashed >= set(long)
    assert not crashed & set(rest)
    assert trial.rows("SELECT DISTINCT attempt FROM executions WHERE id = ANY (%s)", rest) == [(1,)]
    trial.check_ledger(twice=[*long, *(set(quick) & crashed)])
