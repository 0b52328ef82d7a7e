"""Rows 5 and 6: children that die at their start, imports that fail, hang, start threads or open sockets."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.faults.trial import Trial
from tests.nodes import HANGS_S, Node, eventually

#: Its children end at their start while there is a file of this name.
DOOMED = """
import os
from jobs import echo, gated

def end():
    if os.path.exists("doom"):
        os._exit(9)

os.register_at_fork(after_in_child=end)
"""
UNFIT = """
import os, socket, threading
from currant import job
from jobs import note

IMPORTED_BY = os.getpid()
waker = threading.Event()
thread = threading.Thread(target=waker.wait, name="the poller")
thread.start()
listening = socket.create_server(("127.0.0.1", 0))

@job(queue="test")
async def about():
    note("start")
    return [IMPORTED_BY == os.getpid(), thread.is_alive()]
"""


def _module(trial: Trial, text: str) -> Path:
    folder = trial.folder / "node0"
    folder.mkdir()
    (folder / "app.py").write_text(text)
    return folder


def _exit(node: Node) -> int:
    return node.process.wait(HANGS_S)


@pytest.mark.fault(5)
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("raise ValueError('no config here')\n", "ValueError: no config here"),
        ("import sys\nsys.exit(3)\n", "SystemExit: 3"),
        ("import os\nos._exit(3)\n", "the fork server ended while it imported the modules: exit code 3"),
    ],
    ids=["raises", "exits", "ends"],
)
def test_a_module_that_cannot_be_imported_ends_currantd_with_one_error(trial: Trial, text: str, said: str) -> None:
    node = trial.start(module="app", folder=_module(trial, text))
    assert _exit(node) == 1
    assert node.log.count("currantd: error: ") == 1
    assert said in node.log
    assert node.log.count("Traceback") <= 1


@pytest.mark.fault(5)
def test_children_that_end_at_their_start_end_currantd_before_it_is_ready(trial: Trial) -> None:
    folder = _module(trial, DOOMED)
    (folder / "doom").touch()
    node = trial.start("--procs", "2", module="app", folder=folder)
    assert _exit(node) == 1
    assert "currantd: error: 5 children in 60 s ended before they were ready, the last: exit code 9" in node.log
    assert not node.told("node ready")
    assert len(node.told("child died")) <= 5


@pytest.mark.fault(5)
def test_children_that_end_at_their_start_later_degrade_the_node_until_they_are_well(trial: Trial) -> None:
    folder = _module(trial, DOOMED)
    node = trial.node("--procs", "2", "--concurrency", "8", module="app", folder=folder)
    held = trial.enqueue("gated", count=4)
    trial.begun(held)
    (folder / "doom").touch()
    victim = node.children()[0]
    with trial.fault():
        os.kill(victim, signal.SIGKILL)
    status = eventually(lambda: node.status() if node.status().phase == "degraded" else None)
    assert "ended before they were ready, the last: exit code 9" in status.degraded["children"]
    # It goes on with the child that it has.
    trial.enqueue("echo", count=trial.count(100))
    eventually(lambda: trial.states()["completed"] >= 100)
    (folder / "doom").unlink()
    eventually(lambda: node.status().phase == "running")
    trial.recovered()
    eventually(lambda: [child.state for child in node.status().children] == ["ready", "ready"])
    trial.open_gate()
    trial.at_rest()
    trial.check_ledger(twice=trial.crashed())
    eventually(lambda: len(node.told("node recovered")) == 1)
    assert len(node.told("node degraded")) == 1


@pytest.mark.fault(5)
def test_a_node_without_any_child_is_cured_by_a_reload(trial: Trial) -> None:
    folder = _module(trial, DOOMED)
    node = trial.node("--procs", "1", module="app", folder=folder)
    (folder / "doom").touch()
    (child,) = node.children()
    with trial.fault():
        os.kill(child, signal.SIGKILL)
    eventually(lambda: node.status().phase == "degraded")
    ids = trial.enqueue("echo")
    (folder / "app.py").write_text("from jobs import echo\n")
    node.send(signal.SIGHUP)
    assert trial.at_rest() == {"completed": len(ids)}
    trial.recovered()
    eventually(lambda: node.status().phase == "running")
    trial.check_ledger()


@pytest.mark.fault(5)
def test_a_place_with_many_deaths_rests_and_the_others_go_on(trial: Trial) -> None:
    node = trial.node("--procs", "2", "--concurrency", "4")

    def child() -> dict[str, Any]:
        (found,) = (each for each in node.status().children if each.child == 0)
        return {"pid": found.pid, "state": found.state, "finished": found.finished}

    def settled() -> dict[str, Any] | None:
        return found if (found := child())["state"] in ("ready", "resting") else None

    deaths = 0
    # Ten in a minute: on a slow machine, the first of them are longer ago than that.
    while (found := eventually(settled))["state"] == "ready":
        # It works, each time: no boot fails.
        while not child()["finished"]:
            trial.enqueue("echo", count=4)
            trial.at_rest()
        os.kill(found["pid"], signal.SIGKILL)
        deaths += 1
        eventually(lambda found=found: child()["pid"] != found["pid"])  # type: ignore[misc]
    assert deaths >= 10
    eventually(lambda: len(node.told("place rests")) == 1)
    trial.enqueue("echo", count=trial.count(100))
    trial.at_rest()
    trial.check_ledger(twice=trial.crashed())
    assert node.stop() == 0


@pytest.mark.fault(5)
def test_modules_that_a_new_fork_server_cannot_import_degrade_the_node_until_they_are_mended(trial: Trial) -> None:
    folder = _module(trial, "from jobs import echo\n")
    node = trial.node("--procs", "1", module="app", folder=folder)
    (folder / "app.py").write_text("raise ValueError('in the middle of an edit')\n")
    (child,) = node.children()
    (fork_server,) = (pid for pid in node.descendants() if pid != child)
    with trial.fault():
        os.kill(fork_server, signal.SIGKILL)
    eventually(lambda: node.status().phase == "degraded")
    ids = trial.enqueue("echo")
    (folder / "app.py").write_text("from jobs import echo\n")
    eventually(lambda: node.status().phase == "running")
    trial.recovered()
    assert trial.at_rest() == {"completed": len(ids)}
    # However often it was tried.
    assert len(node.told("import failed")) == 1
    trial.check_ledger()


@pytest.mark.fault(6)
def test_an_import_that_hangs_meets_the_deadline(trial: Trial) -> None:
    folder = _module(trial, "import time\ntime.sleep(3600)\n")
    node = trial.start(module="app", folder=folder, CURRANT_BOOT_TIMEOUT_S="2")
    assert _exit(node) == 1
    assert "importing the modules took longer than 2 s (CURRANT_BOOT_TIMEOUT_S)" in node.log
    assert not node.descendants()


@pytest.mark.fault(6)
def test_imports_that_start_threads_and_open_sockets_are_named_and_left_to_the_children(trial: Trial) -> None:
    node = trial.node("--procs", "2", module="app", folder=_module(trial, UNFIT))
    (line,) = (line for line in node.log.splitlines() if "import starts threads or opens sockets" in line)
    assert "thread 'the poller'" in line
    assert "socket at 127.0.0.1:" in line
    ids = trial.enqueue("app.about", count=trial.count(20))
    assert trial.at_rest() == {"completed": len(ids)}
    assert trial.rows("SELECT DISTINCT result FROM executions") == [([True, True],)]
    for pid in node.children():
        os.kill(pid, signal.SIGKILL)
    again = trial.enqueue("app.about", count=20)
    assert trial.at_rest() == {"completed": len(ids) + len(again)}
    trial.check_ledger(twice=trial.crashed())
    # A reload finds the same.
    node.send(signal.SIGHUP)
    eventually(lambda: node.told("reloaded"))
    trial.enqueue("app.about")
    trial.at_rest()
    assert node.stop() == 0
