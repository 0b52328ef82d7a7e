"""Row 21: a second supervisor with the same runtime directory; what a dead one left there."""

import pytest

from tests.faults.trial import Trial
from tests.nodes import HANGS_S

pytestmark = pytest.mark.fault(21)


def test_a_second_supervisor_is_refused_with_the_pid_of_the_first_which_notices_nothing(trial: Trial) -> None:
    first = trial.node("--procs", "2")
    ids = trial.enqueue("echo", count=trial.count(500))
    second = trial.start("--procs", "2", folder=first.folder)
    assert second.process.wait(HANGS_S) == 2
    assert f"(pid {first.process.pid})" in second.log
    assert trial.at_rest() == {"completed": len(ids)}
    trial.check_ledger()
    # The control socket is the first one's still.
    assert first.status().pid == first.process.pid
    assert trial.rows("SELECT count(*) FROM worker_heartbeats") == [(1,)]
    assert first.stop() == 0


def test_the_socket_and_the_lock_of_a_dead_one_are_no_obstacle(trial: Trial) -> None:
    first = trial.node("--procs", "1")
    first.process.kill()
    first.process.wait()
    left = {path.name for path in (first.folder / "run").iterdir()}
    assert left == {"control.sock", "currantd.lock"}
    second = trial.node("--procs", "1", folder=first.folder)
    assert second.status().pid == second.process.pid
    ids = trial.enqueue("echo", count=trial.count(100))
    assert trial.at_rest() == {"completed": len(ids)}
    trial.check_ledger()
    assert second.stop() == 0
