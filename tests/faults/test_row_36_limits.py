"""Row 36: file descriptors run out; the system refuses to fork."""

import os
import resource
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import nodes
from tests.faults.trial import Trial
from tests.nodes import Node, eventually

pytestmark = pytest.mark.fault(36)

NOBODY = 65534


def _refusals(node: Node) -> int:
    return node.log.count('event="child not started"')


def _fork_server(node: Node, children: list[int]) -> int:
    (pid,) = (pid for pid in node.descendants() if pid not in children)
    return pid


def _check(trial: Trial, node: Node, limited: int, limit: int, low: int, said: str) -> None:
    """Kills a child while the process is not allowed what another one needs, and gives that back."""
    eventually(lambda: [child.state for child in node.status().children] == ["ready", "ready"])
    held = trial.enqueue("gated", count=8)
    trial.begun(held)
    load = trial.enqueue("echo", count=trial.count(200))
    victim, sibling = node.children()
    before = resource.prlimit(limited, limit, (low, resource.prlimit(limited, limit)[1]))
    with trial.fault():
        os.kill(victim, signal.SIGKILL)
    eventually(lambda: _refusals(node) >= 3)
    assert said in node.log
    # What runs goes on, and so does what is claimed.
    eventually(lambda: trial.states()["completed"] >= len(load))
    # Waits that grow: as many in a row would otherwise be thousands.
    assert _refusals(node) < 40
    resource.prlimit(limited, limit, before)
    eventually(lambda: len(node.children()) == 2 and sibling in node.children())
    trial.recovered()
    trial.open_gate()
    assert trial.at_rest() == {"completed": len(load) + 8}
    trial.check_ledger(twice=trial.crashed())
    assert node.status().child_deaths == 1
    assert node.stop() == 0


def test_a_supervisor_without_descriptors_waits_and_works_on(trial: Trial) -> None:
    node = trial.node("--procs", "2", "--concurrency", "16")
    _check(trial, node, node.process.pid, resource.RLIMIT_NOFILE, 3, "cannot make its socket: Too many open files")


def test_a_fork_server_without_descriptors_waits_and_works_on(trial: Trial) -> None:
    node = trial.node("--procs", "2", "--concurrency", "16")
    eventually(lambda: len(node.descendants()) == 3)
    fork_server = _fork_server(node, node.children())
    _check(trial, node, fork_server, resource.RLIMIT_NOFILE, 3, "cannot fork: Too many open files")


@pytest.fixture
def folder_for_all() -> Iterator[Path]:
    """A folder that another user can work in, which that of the test is not."""
    folder = Path(tempfile.mkdtemp(prefix="currant-test-"))
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.crash_only("needs the right to run processes as another user: of root, processes are not counted")
@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("setpriv") is None, reason="needs root and setpriv")
def test_a_fork_that_is_refused_is_waited_for(
    trial: Trial, folder_for_all: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_nobody = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *nodes.CURRANTD]
    monkeypatch.setattr(nodes, "CURRANTD", as_nobody)
    ledger = folder_for_all / "ledger"
    ledger.touch()
    ledger.chmod(0o666)
    trial.use_ledger(ledger)
    folder = folder_for_all / "node"
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    node = trial.node("--procs", "2", "--concurrency", "16", folder=folder)
    eventually(lambda: len(node.descendants()) == 3)
    fork_server = _fork_server(node, node.children())
    _check(trial, node, fork_server, resource.RLIMIT_NPROC, 1, "Resource temporarily unavailable")
