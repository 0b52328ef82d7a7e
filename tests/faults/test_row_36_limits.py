"""Row 36: file descriptors run out; the system refuses to fork."""

import contextlib
import os
import resource
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import nodes
from tests.faults.trial import Trial
from tests.nodes import Node, eventually

pytestmark = pytest.mark.fault(36)

AS_NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]


def _refusals(node: Node) -> int:
    return len(node.told("child not started"))


def _fork_server(node: Node, children: list[int]) -> int:
    (pid,) = (pid for pid in node.descendants() if pid not in children)
    return pid


@contextlib.contextmanager
def _few_descriptors(pid: int) -> Iterator[None]:
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, hard))
    yield
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))


def _check(trial: Trial, node: Node, limited: contextlib.AbstractContextManager[None], said: str) -> None:
    """Kills a child while a process is not allowed what another one needs."""
    held = trial.enqueue("gated", count=8)
    trial.begun(held)
    load = trial.enqueue("echo", count=trial.count(200))
    victim, sibling = node.children()
    with limited:
        with trial.fault():
            os.kill(victim, signal.SIGKILL)
        eventually(lambda: _refusals(node) >= 3)
        assert said in node.log
        # What runs goes on, and so does what is claimed.
        eventually(lambda: trial.states()["completed"] >= len(load))
        # Waits that grow: as many in a row would otherwise be thousands.
        assert _refusals(node) < 40
    eventually(lambda: len(node.children()) == 2 and sibling in node.children())
    trial.recovered()
    trial.open_gate()
    assert trial.at_rest() == {"completed": len(load) + 8}
    trial.check_ledger(twice=trial.crashed())
    assert node.status().child_deaths == 1
    assert node.stop() == 0


def test_a_supervisor_without_descriptors_waits_and_works_on(trial: Trial) -> None:
    node = trial.node("--procs", "2", "--concurrency", "16")
    _check(trial, node, _few_descriptors(node.process.pid), "cannot make its socket: Too many open files")


def test_a_fork_server_without_descriptors_waits_and_works_on(trial: Trial) -> None:
    node = trial.node("--procs", "2", "--concurrency", "16")
    fork_server = _fork_server(node, node.children())
    _check(trial, node, _few_descriptors(fork_server), "cannot fork: Too many open files")


@contextlib.contextmanager
def _few_processes(pid: int) -> Iterator[None]:
    # Only of the same user's processes a limit may be set without further rights.
    subprocess.run([*AS_NOBODY, "prlimit", f"--pid={pid}", "--nproc=1:"], check=True)
    yield
    subprocess.run([*AS_NOBODY, "prlimit", f"--pid={pid}", "--nproc=1000:"], check=True)


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
    # It may read and enter what the test may: Python itself is perhaps in a folder of root's own.
    reads = ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    monkeypatch.setattr(nodes, "CURRANTD", [*AS_NOBODY, *reads, *nodes.CURRANTD])
    ledger = folder_for_all / "ledger"
    ledger.touch()
    ledger.chmod(0o666)
    trial.use_ledger(ledger)
    folder = folder_for_all / "node"
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    node = trial.node("--procs", "2", "--concurrency", "16", folder=folder)
    fork_server = _fork_server(node, node.children())
    _check(trial, node, _few_processes(fork_server), "Resource temporarily unavailable")
