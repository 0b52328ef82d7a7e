"""Row 40: a log pipe that is closed or full."""

import contextlib
import fcntl
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.trial import Trial
from tests.nodes import Node, eventually

pytestmark = pytest.mark.fault(40)


class LogPipe:
    """A pipe in place of a node's log file, and its reader."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.path = folder / "log"
        os.mkfifo(self.path)
        self._reader: int | None = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)
        fcntl.fcntl(self._reader, fcntl.F_SETPIPE_SZ, 4096)

    def fill(self) -> None:
        writer = os.open(self.path, os.O_WRONLY | os.O_NONBLOCK)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(writer, b"x")
        os.close(writer)

    def close(self) -> None:
        if self._reader is not None:
            os.close(self._reader)
            self._reader = None


@pytest.fixture
def log_pipe(trial: Trial) -> Iterator[LogPipe]:
    pipe = LogPipe(trial.folder / "piped")
    yield pipe
    for node in trial.nodes:
        node.end()
    pipe.close()


def _start_with(trial: Trial, pipe: LogPipe) -> Node:
    node = trial.start("--procs", "2", "--concurrency", "8", folder=pipe.path.parent)
    trial.enqueue("echo")
    eventually(lambda: trial.states() == {"completed": 1})
    return node


@pytest.mark.parametrize("trouble", ["closed", "full"])
def test_a_log_that_nobody_reads_stops_neither_executions_nor_heartbeats_nor_the_stop(
    trial: Trial, log_pipe: LogPipe, trouble: str
) -> None:
    node = _start_with(trial, log_pipe)
    if trouble == "closed":
        log_pipe.close()
    else:
        log_pipe.fill()
    # Each death of a child is a line of the log.
    started = trial.enqueue("gated", count=16)
    trial.begun(started)
    before = node.children()
    with trial.fault():
        for pid in before:
            os.kill(pid, signal.SIGKILL)
    trial.begun(started, times=2)
    trial.recovered(at=max(run.at for run in trial.runs() if run.id in started))
    trial.open_gate()
    quick = trial.enqueue("echo", count=trial.count(200))
    assert trial.at_rest() == {"completed": 17 + len(quick)}
    trial.check_ledger(twice=started)
    heartbeat = "SELECT last_heartbeat FROM worker_heartbeats"
    ((told_at,),) = trial.rows(heartbeat)
    eventually(lambda: trial.rows(heartbeat) > [(told_at,)])
    assert node.status().phase == "running"
    assert len(node.children()) == 2
    assert not set(node.children()) & set(before)
    assert node.stop() == 0
