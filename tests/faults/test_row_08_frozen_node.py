"""Row 8: a supervisor that stands still past the heartbeat timeout, and goes on."""

import signal

import pytest

from currant.supervisor.events import Event
from tests.faults.servers import count
from tests.faults.trial import Trial
from tests.nodes import eventually

pytestmark = pytest.mark.fault(8)


def test_what_a_frozen_node_brings_late_changes_nothing_and_it_goes_on_as_a_new_one(trial: Trial) -> None:
    frozen = trial.node("--procs", "2", "--concurrency", "8")
    held = trial.enqueue("gated", count=16)
    trial.begun(held)
    name = frozen.status().node
    frozen.send(signal.SIGSTOP)
    trial.fault()
    # As if it had stood still for an hour: what the other one waits for is its own unbroken ticks.
    trial.rows(
        "UPDATE worker_heartbeats SET last_heartbeat = now() - interval '1 hour' WHERE worker_id = %s RETURNING 1", name
    )
    other = trial.node("--procs", "1", "--concurrency", "32", CURRANT_HEARTBEAT_TIMEOUT_S="10")
    trial.begun(held, times=2)
    trial.recovered()
    quick = trial.enqueue("echo", count=trial.count(300))
    trial.open_gate()
    assert trial.at_rest() == {"completed": len(held) + len(quick)}
    before = trial.rows("SELECT id, lease, completed_at FROM executions WHERE id = ANY (%s) ORDER BY id", held)
    # The children of the frozen one have ended what they ran; nobody has heard of it.
    eventually(lambda: len([run for run in trial.runs("end") if run.id in held]) == 2 * len(held))
    frozen.send(signal.SIGCONT)
    eventually(lambda: frozen.status().executions["fenced"] == len(held))
    eventually(lambda: count(frozen, Event.LATE) == 1)
    assert any(id in frozen.log for id in held)
    eventually(lambda: count(frozen, Event.FENCED) == 1)
    eventually(lambda: frozen.status().node != name)
    assert trial.rows("SELECT id, lease, completed_at FROM executions WHERE id = ANY (%s) ORDER BY id", held) == before
    assert trial.rows("SELECT DISTINCT crashes FROM executions WHERE id = ANY (%s)", held) == [(1,)]
    # As a new node it takes work again, and is heard of.
    assert other.stop() == 0
    more = trial.enqueue("echo", count=20)
    assert trial.at_rest() == {"completed": len(held) + len(quick) + len(more)}
    trial.check_ledger(twice=held)
    assert frozen.stop() == 0


def test_what_a_frozen_node_had_not_started_is_given_back_and_not_run_late(trial: Trial) -> None:
    """Nobody has taken it back yet: its own release is as good."""
    frozen = trial.node("--procs", "1", "--concurrency", "4", CURRANT_HEARTBEAT_TIMEOUT_S="600")
    quick, long, waiting = trial.begin_with_backlog(quick=1000, long=4)
    frozen.send(signal.SIGSTOP)
    # Somebody declared it dead, and has not come to its executions.
    trial.rows("UPDATE worker_heartbeats SET status = 'stopped' RETURNING 1")
    with trial.fault():
        frozen.send(signal.SIGCONT)
    eventually(lambda: count(frozen, Event.FENCED) == 1)
    trial.recovered()
    trial.open_gate()
    assert trial.at_rest() == {"completed": len(quick) + len(long) + len(waiting)}
    # What ran has counted, what waited has run under another lease or the same, once.
    assert trial.rows("SELECT DISTINCT attempt, crashes FROM executions") == [(1, 0)]
    assert frozen.status().executions["fenced"] == 0
    trial.check_ledger()
    assert frozen.stop() == 0
