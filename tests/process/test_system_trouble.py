"""What the system around a node does to it: nobody reads its log, its fork server dies, descriptors are few."""

import contextlib
import fcntl
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from currant.supervisor.events import Event
from tests.process import conftest
from tests.process.conftest import CURRANTD, Node, World, eventually

# Logs that nobody reads


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
def log_pipe(world: World) -> Iterator[LogPipe]:
    pipe = LogPipe(world.folder / "piped")
    yield pipe
    for node in world.nodes:
        node.end()
    pipe.close()


def _start_with(world: World, pipe: LogPipe) -> Node:
    node = world.start("--procs", "2", "--concurrency", "8", folder=pipe.path.parent)
    world.enqueue("echo")
    eventually(lambda: world.states() == {"completed": 1})
    return node


@pytest.mark.parametrize("trouble", ["closed", "full"])
def test_a_log_that_nobody_reads_stops_neither_executions_nor_heartbeats_nor_the_stop(
    world: World, log_pipe: LogPipe, trouble: str
) -> None:
    node = _start_with(world, log_pipe)
    if trouble == "closed":
        log_pipe.close()
    else:
        log_pipe.fill()
    # Each death of a child is a line of the log.
    started = world.enqueue("sleeper", 1, count=16)
    eventually(lambda: len(world.runs()) == 17)
    before = node.children()
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    world.enqueue("echo", count=200)
    assert world.at_rest() == {"completed": 217}
    world.check_ledger(217, twice=started)
    heartbeat = "SELECT last_heartbeat FROM worker_heartbeats"
    ((told_at,),) = world.rows(heartbeat)
    eventually(lambda: world.rows(heartbeat) > [(told_at,)], within_s=7)
    assert node.status().phase == "running"
    assert len(node.children()) == 2
    assert not set(node.children()) & set(before)
    assert node.stop() == 0


# Fork servers


def test_a_fork_server_that_dies_while_it_replaces_children_leaves_no_place_empty(world: World) -> None:
    procs = 4
    node = world.node("--procs", str(procs), CURRANT_BOOT_TIMEOUT_S="5")

    def all_ready() -> set[int] | None:
        children = node.status().children
        ready = {child.pid for child in children if child.state == "ready" and child.pid is not None}
        return ready if len(ready) == procs else None

    for number in range(4):
        before = eventually(all_ready)
        (fork_server,) = set(node.descendants()) - before
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        # From before the first new fork to after the last.
        time.sleep(0.004 * number)
        os.kill(fork_server, signal.SIGKILL)
        eventually(lambda before=before: (now := all_ready()) and not now & before)  # type: ignore[misc]
    assert node.log.count(f'event="{Event.FORK_SERVER_DIED}"') == 4
    world.enqueue("sleeper", 0.2, count=200)
    assert world.at_rest() == {"completed": 200}
    world.check_ledger(200)
    assert len({run.pid for run in world.runs()}) == procs
    assert node.stop() == 0


# Descriptors


def test_with_too_few_descriptors_for_its_children_a_node_says_so_and_does_not_start(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The hard limit, which the node cannot raise.
    monkeypatch.setattr(conftest, "CURRANTD", ["sh", "-c", 'ulimit -n 256 && exec "$0" "$@"', *CURRANTD])
    node = world.start("--procs", "150")
    assert node.process.wait(20) == 2
    assert node.log.strip() == (
        "currantd: error: --procs 150 needs 514 file descriptors, and the limit is 256:"
        " raise it (ulimit -n, or LimitNOFILE= in systemd), or start fewer children"
    )


def test_the_soft_limit_of_descriptors_is_raised_for_many_children(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conftest, "CURRANTD", ["sh", "-c", 'ulimit -Sn 256 && exec "$0" "$@"', *CURRANTD])
    node = world.node("--procs", "150", "--concurrency", "2")
    eventually(lambda: sum(child.state == "ready" for child in node.status().children) == 150)
    world.enqueue("sleeper", 0.2, count=300)
    assert world.at_rest() == {"completed": 300}
    world.check_ledger(300)
    assert node.stop() == 0
