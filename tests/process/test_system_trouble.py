"""What the system around a node does to it: its fork server dies, descriptors are few."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from typing import Any

import pytest
import uvloop

from currant.errors import ModuleImportFailed
from currant.protocol import frames
from currant.protocol.control import CONTROL_BYTES_MAX, Boot, ServerHello
from currant.supervisor.events import Event
from currant.supervisor.forkserver import ForkServer
from tests import nodes
from tests.nodes import CURRANTD, World, eventually

# Fork servers


def test_a_fork_server_that_dies_while_it_replaces_children_leaves_no_place_empty(world: World) -> None:
    procs = 4
    node = world.node("--procs", str(procs), CURRANT_BOOT_TIMEOUT_S="20")

    def family() -> tuple[int, set[int]] | None:
        """Returns the fork server and its children, when there are as many as there should be, and all are ready."""
        below = set(node.descendants())
        ready = {child.pid for child in node.status().children if child.state == "ready" and child.pid is not None}
        # Dead children count as ready until they are buried; those of a dead fork server are none of our descendants.
        return (
            ((below - ready).pop(), ready)
            if len(ready) == procs and ready < below and len(below) == procs + 1
            else None
        )

    for number in range(4):
        fork_server, children = eventually(family)
        for pid in children:
            os.kill(pid, signal.SIGKILL)
        # From before the first new fork to after the last.
        time.sleep(0.004 * number)
        os.kill(fork_server, signal.SIGKILL)
        eventually(lambda number=number: len(node.told(Event.FORK_SERVER_DIED)) > number)  # type: ignore[misc]
    eventually(family)
    world.enqueue("sleeper", 0.2, count=200)
    assert world.at_rest() == {"completed": 200}
    world.check_ledger(200)
    assert len({run.pid for run in world.runs()}) == procs
    assert node.stop() == 0


def test_the_end_of_a_fork_server_that_left_last_words_and_requests_unread_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Then data and an error wait on the socket together, and of an error libuv tells once.
    hello = frames.encode(ServerHello(["jobs.echo"], ["test"]), CONTROL_BYTES_MAX)
    real = subprocess.Popen

    def dying(command: list[str], **options: Any) -> Any:
        fd = command[command.index("--fd") + 1]
        return real([sys.executable, "-c", f"import os; os.write({fd}, {hello!r})"], **options)

    monkeypatch.setattr(subprocess, "Popen", dying)
    server = ForkServer(Boot(["jobs"], 1, 1024), dict(os.environ))
    os.waitid(os.P_PID, server.pid, os.WEXITED | os.WNOWAIT)

    async def attach() -> None:
        with pytest.raises(ModuleImportFailed, match="ended when it had imported"):
            await server.attach(boot_timeout_s=5, forked=lambda *_: None, message=lambda _: None, ended=lambda: None)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(attach())


# Descriptors


def test_with_too_few_descriptors_for_its_children_a_node_says_so_and_does_not_start(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The hard limit, which the node cannot raise.
    monkeypatch.setattr(nodes, "CURRANTD", ["sh", "-c", 'ulimit -n 256 && exec "$0" "$@"', *CURRANTD])
    node = world.start("--procs", "150")
    assert node.process.wait(60) == 2
    assert node.log.strip() == (
        "currantd: error: --procs 150 needs 664 file descriptors, and the limit is 256:"
        " raise it (ulimit -n, or LimitNOFILE= in systemd), or start fewer children"
    )


def test_the_soft_limit_of_descriptors_is_raised_for_many_children(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nodes, "CURRANTD", ["sh", "-c", 'ulimit -Sn 256 && exec "$0" "$@"', *CURRANTD])
    node = world.node("--procs", "150", "--concurrency", "2")
    eventually(lambda: sum(child.state == "ready" for child in node.status().children) == 150, 180.0)
    world.enqueue("sleeper", 0.2, count=300)
    assert world.at_rest() == {"completed": 300}
    world.check_ledger(300)
    assert node.stop() == 0
