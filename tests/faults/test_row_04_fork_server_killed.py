"""Row 4: kill -9 of the fork server."""

import os
import signal

import pytest

from tests.faults.trial import Trial
from tests.nodes import Node, eventually, is_alive

pytestmark = pytest.mark.fault(4)


def _fork_server(node: Node) -> int:
    children = set(node.children())
    (pid,) = (pid for pid in node.descendants() if pid not in children)
    return pid


def test_its_children_die_with_it_and_their_work_is_retried_at_once_as_the_nodes_fault(trial: Trial) -> None:
    node = trial.node("--procs", "2", "--concurrency", "16")
    held = trial.enqueue("gated", count=24, max_retries=0)
    trial.begun(held)
    quick = trial.enqueue("echo", count=trial.count(300), max_retries=0)
    before = node.children()
    with trial.fault():
        os.kill(_fork_server(node), signal.SIGKILL)
    trial.begun(held, times=2)
    again = [run.at for run in trial.runs() if run.id in held and run.pid not in before]
    assert trial.recovered(at=max(again)) < trial.promised(1, busy=30)
    assert not any(is_alive(pid) for pid in before)
    trial.open_gate()
    assert trial.at_rest() == {"completed": 24 + len(quick)}
    # Neither a crash nor an attempt: it is not their fault.
    assert trial.rows("SELECT DISTINCT crashes, attempt FROM executions") == [(0, 1)]
    # What of the quick ones ran when it died runs again, too.
    trial.check_ledger(twice=[*held, *quick])
    eventually(lambda: len(node.told("fork server died")) == 1)
    assert node.status().phase == "running"
    assert node.stop() == 0
