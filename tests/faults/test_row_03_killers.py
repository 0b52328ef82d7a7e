"""Row 3: executions that kill their child every time. They are found, and their neighbours end."""

import os
import signal

import pytest

from currant.supervisor.quarantine import PLACES_MAX
from tests.faults.trial import Trial
from tests.nodes import eventually

pytestmark = pytest.mark.fault(3)

MODULES = "jobs,fault_jobs"


def _is_a_dead_letter_that_says_why(trial: Trial, id: str) -> None:
    row = trial.row(id)
    assert (row["status"], row["crashes"]) == ("failed", 3)
    assert "signal 11 (SIGSEGV)" in row["error"]["message"]
    ((reason,),) = trial.rows("SELECT failure_reason FROM dead_letter_queue WHERE execution_id = %s", id)
    assert reason.startswith("crashed 3 times: ")
    assert "SIGSEGV" in reason


def _enqueue_killers(trial: Trial, count: int = 1) -> list[str]:
    return trial.enqueue("fault_jobs.ends_its_child", "segfault", 99, count=count, max_retries=0)


def _crashed_twice(trial: Trial, ids: list[str]) -> bool:
    return all(trial.row(id)["crashes"] >= 2 for id in ids)


def test_a_killer_among_63_is_found_and_the_others_end_completed(trial: Trial) -> None:
    node = trial.node("--procs", "1", "--concurrency", "64", module=MODULES)
    others = trial.enqueue("gated", count=63, max_retries=0)
    trial.begun(others)
    with trial.fault():
        (killer,) = _enqueue_killers(trial)
    eventually(lambda: _crashed_twice(trial, [killer]))
    trial.open_gate()
    quick = trial.enqueue("echo", count=trial.count(200))
    assert trial.at_rest() == {"completed": 63 + len(quick), "failed": 1}
    trial.recovered()
    _is_a_dead_letter_that_says_why(trial, killer)
    assert all(trial.row(id)["crashes"] <= 2 for id in others)
    trial.check_ledger(twice=trial.crashed())
    # Its last run was alone in a child of its own.
    last = [run for run in trial.runs() if run.id == killer][2]
    began = {run.id for run in trial.runs() if run.pid == last.pid}
    ended = {run.id for run in trial.runs("end") if run.pid == last.pid}
    assert began - ended == {killer}
    assert node.told("quarantine opened")
    assert node.status().suspects == 0


def test_several_killers_at_once_are_all_found(trial: Trial) -> None:
    node = trial.node("--procs", "2", "--concurrency", "16", module=MODULES)
    others = trial.enqueue("gated", count=12, max_retries=0)
    trial.begun(others)
    with trial.fault():
        killers = _enqueue_killers(trial, 5)
    eventually(lambda: _crashed_twice(trial, killers))
    trial.open_gate()
    quick = trial.enqueue("echo", count=trial.count(200))
    assert trial.at_rest() == {"completed": 12 + len(quick), "failed": 5}
    trial.recovered()
    for killer in killers:
        _is_a_dead_letter_that_says_why(trial, killer)
    trial.check_ledger(twice=trial.crashed())
    eventually(lambda: len(node.children()) == 2)


def _enqueue_suspects(trial: Trial, function: str, count: int) -> list[str]:
    """Enqueues what has met two crashes already. No node runs yet."""
    ids = trial.enqueue(function, count=count, max_retries=0)
    trial.rows("UPDATE executions SET crashes = 2, attempt = 2 WHERE id = ANY (%s) RETURNING id", ids)
    return ids


def test_suspects_run_alone_hold_up_nothing_and_survive_the_death_of_their_child(trial: Trial) -> None:
    suspects = _enqueue_suspects(trial, "gated", PLACES_MAX + 2)
    node = trial.node("--procs", "1", "--concurrency", "16", CURRANT_CRASHES_MAX="9")
    # Places are opened while they wait; two of them find none.
    eventually(lambda: len(trial.runs()) == PLACES_MAX)
    quick = trial.enqueue("echo", count=trial.count(200))
    trial.begun(quick)
    running = [run for run in trial.runs() if run.id in suspects]
    assert len({run.pid for run in running}) == len(running) == PLACES_MAX
    assert not {run.pid for run in running} & set(node.children())
    cancelled, _ = set(suspects) - {run.id for run in running}
    trial.cancel(cancelled)
    eventually(lambda: trial.row(cancelled)["status"] == "cancelled")
    first = running[0]
    with trial.fault():
        os.kill(first.pid, signal.SIGKILL)
    eventually(lambda: trial.row(first.id)["crashes"] == 3)
    trial.recovered()
    trial.open_gate()
    assert trial.at_rest() == {"completed": PLACES_MAX + 1 + len(quick), "cancelled": 1}
    assert sum(trial.row(id)["crashes"] for id in suspects) == 2 * len(suspects) + 1
    trial.check_ledger(twice=[first.id])


def test_a_drain_gives_waiting_suspects_back(trial: Trial) -> None:
    suspects = _enqueue_suspects(trial, "gated", 5)
    node = trial.node("--procs", "1", "--grace", "0")
    eventually(trial.runs)
    with trial.fault():
        code = node.stop()
    assert code == 0
    trial.recovered()
    assert not {trial.row(id)["status"] for id in suspects} - {"pending", "scheduled"}
    assert {trial.row(id)["attempt"] for id in suspects} == {2}
    trial.node("--procs", "1")
    trial.open_gate()
    assert trial.at_rest() == {"completed": 5}
    trial.check_ledger(twice=suspects)
