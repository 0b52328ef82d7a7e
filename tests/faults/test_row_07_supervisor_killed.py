"""Row 7: kill -9 of the supervisor."""

import time

import pytest

from currant.supervisor.tick import TICK_S
from tests.faults.trial import Trial
from tests.nodes import Node, eventually, is_alive

pytestmark = pytest.mark.fault(7)


def _kill_supervisor(trial: Trial, node: Node) -> None:
    below = node.descendants()
    assert len(below) == 3
    with trial.fault():
        node.process.kill()
    node.process.wait()
    eventually(lambda: not any(is_alive(pid) for pid in below))
    # None would end by itself.
    assert time.time() - trial.fault_at < trial.promised(2, busy=60)


def test_after_the_supervisors_death_no_process_is_left_and_a_restart_takes_its_work_at_once(trial: Trial) -> None:
    node = trial.node("--procs", "2", "--concurrency", "16")
    started = trial.enqueue("gated", count=32, max_retries=0)
    trial.begun(started)
    waiting = trial.enqueue("echo", count=trial.count(500), max_retries=0)
    _kill_supervisor(trial, node)
    # Long before the heartbeat's timeout, which is ten minutes here.
    trial.node("--procs", "2", "--concurrency", "16", folder=node.folder, CURRANT_HEARTBEAT_TIMEOUT_S="600")
    trial.begun(started, times=2)
    trial.recovered(at=max(run.at for run in trial.runs() if run.id in started))
    trial.open_gate()
    assert trial.at_rest() == {"completed": 32 + len(waiting)}
    assert trial.rows("SELECT DISTINCT crashes FROM executions WHERE id = ANY (%s)", started) == [(1,)]
    trial.check_ledger(twice=started)
    assert trial.rows("SELECT count(*) FROM worker_heartbeats WHERE status = 'running'") == [(1,)]


def test_another_node_takes_a_dead_ones_work_within_the_timeout_and_two_ticks(trial: Trial) -> None:
    victim = trial.node("--procs", "2", "--concurrency", "16")
    trial.node("--procs", "1", "--concurrency", "64", CURRANT_HEARTBEAT_TIMEOUT_S="10")
    # More than either has slots for.
    ids = trial.enqueue("gated", count=80)
    trial.begun(ids)
    children = set(victim.children())
    assert not {run.pid for run in trial.runs()} <= children
    waiting = trial.enqueue("echo", count=trial.count(300))
    _kill_supervisor(trial, victim)
    # Also of what waited, where the other node had taken most of the first ones.
    held = {run.id for run in trial.runs() if run.pid in children}
    assert held & set(ids)
    trial.open_gate()
    assert trial.at_rest() == {"completed": 80 + len(waiting)}
    again = max(run.at for run in trial.runs() if run.id in held)
    assert trial.recovered(at=again) < trial.promised(10 + 2 * TICK_S, busy=100)
    trial.check_ledger(twice=held)
