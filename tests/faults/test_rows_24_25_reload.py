"""Rows 24 and 25: SIGHUP with new code under load, and with broken code."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.trial import Trial
from tests.nodes import Node, eventually

APP = """
import asyncio
from currant import job, on_child_start
from jobs import _gate_is_open, note

VERSION = {version}

@job(queue="test")
async def version(seconds):
    note("start")
    await asyncio.sleep(seconds)
    return VERSION

@job(queue="test")
async def at_the_gate():
    note("start")
    while not _gate_is_open():
        await asyncio.sleep(0.02)
    return VERSION
"""
NEW_FUNCTION = """
@job(queue="second")
async def only_in_new():
    note("start")
    return VERSION
"""
FAILING_HOOK = """
@on_child_start
def opens_nothing():
    raise ValueError("the pool is empty")
"""
HANGING = """
import os, time
if os.path.exists("hang"):
    open("hangs", "w").close()
    time.sleep(3600)
"""


def _write(folder: Path, version: int, more: str = "") -> None:
    folder.mkdir(exist_ok=True)
    (folder / "app.py").write_text(APP.format(version=version) + more)


def _count(node: Node, event: str) -> int:
    return len(node.told(event))


def _reload(node: Node) -> subprocess.CompletedProcess[str]:
    """Asks as an operator does, and waits for the outcome."""
    command = [sys.executable, "-m", "currant.cli.currantctl", "reload", "--runtime-dir", str(node.folder / "run")]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _results(trial: Trial, ids: list[str]) -> set[int]:
    return {result for (result,) in trial.rows("SELECT DISTINCT result FROM executions WHERE id = ANY (%s)", ids)}


@pytest.mark.fault(24)
def test_a_reload_under_load_brings_new_code_loses_nothing_and_lets_the_old_finish(trial: Trial) -> None:
    folder = trial.folder / "node0"
    _write(folder, 1)
    node = trial.node("--procs", "2", "--concurrency", "16", module="app", folder=folder)
    old = trial.enqueue("app.at_the_gate", count=4)
    trial.begun(old)
    before = set(node.children())
    load = trial.enqueue("app.version", 0.01, count=trial.count(1500))
    trial.begun(load[:50])
    _write(folder, 2, NEW_FUNCTION)
    # What only the new code knows waits for it.
    waiting = trial.enqueue("app.only_in_new", queue="second")
    trial.fault()
    node.send(signal.SIGHUP)
    eventually(lambda: _count(node, "reloaded") == 1)
    trial.recovered()
    load += trial.enqueue("app.version", 0, count=100)
    new = load[-100:]
    eventually(lambda: trial.rows("SELECT count(*) FROM executions WHERE status = 'completed'") >= [(len(load) + 1,)])
    # The old children have not been given any of it, and go on with what they had.
    assert _results(trial, new) == _results(trial, waiting) == {2}
    leaving = {child.pid for child in node.status().children if child.state == "leaving"}
    assert leaving
    assert leaving <= before
    queues = node.status().queues
    assert "second" in queues
    # The node's row, from which `currant queues` reads who serves what, follows with the next heartbeat.
    eventually(lambda: trial.rows("SELECT queues FROM worker_heartbeats") == [(queues,)])
    trial.open_gate()
    assert trial.at_rest() == {"completed": len(load) + 5}
    assert _results(trial, old) == {1}
    trial.check_ledger()
    eventually(lambda: not before & set(node.descendants()))
    eventually(lambda: [child.state for child in node.status().children] == ["ready", "ready"])
    # One fork server is left, and two children.
    eventually(lambda: len(node.descendants()) == 3)
    assert node.status().child_deaths == 0
    assert node.stop() == 0


@pytest.mark.fault(24)
def test_two_edits_of_the_same_size_within_a_second_are_two_edits(trial: Trial) -> None:
    folder = trial.folder / "node0"
    _write(folder, 1)
    node = trial.node("--procs", "1", module="app", folder=folder)
    stamp = os.stat(folder / "app.py").st_mtime
    for version in (2, 3):
        _write(folder, version)
        # As if no second had passed, however slow the machine is.
        os.utime(folder / "app.py", (stamp, stamp + version / 100))
        assert _reload(node).returncode == 0
        ids = trial.enqueue("app.version", 0)
        trial.at_rest()
        assert _results(trial, ids) == {version}
    trial.check_ledger()


@pytest.mark.fault(24)
def test_a_symlink_that_is_switched_to_a_new_release_is_followed(trial: Trial) -> None:
    for version in (1, 2):
        _write(trial.folder / f"release{version}", version)
    current = trial.folder / "node0"
    current.symlink_to("release1")
    node = trial.node(
        "--procs", "1", module="app", folder=current, PWD=str(current), CURRANT_RUNTIME_DIR=str(trial.folder / "run")
    )
    current.unlink()
    current.symlink_to("release2")
    node.send(signal.SIGHUP)
    log = trial.folder / "release1" / "log"
    eventually(lambda: '"event": "reloaded"' in log.read_text())
    ids = trial.enqueue("app.version", 0)
    trial.at_rest()
    assert _results(trial, ids) == {2}
    trial.check_ledger()


@pytest.mark.fault(25)
@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ("def nothing(:\n", "SyntaxError: "),
        ("import nowhere_to_be_found\n", "ModuleNotFoundError: No module named 'nowhere_to_be_found'"),
        ("import os; os._exit(3)\n", "ended while it imported the modules: exit code 3"),
        (FAILING_HOOK, "ValueError: the pool is empty"),
    ],
    ids=["syntax", "import", "exit", "hook"],
)
def test_broken_code_changes_nothing_is_said_and_the_next_reload_works(trial: Trial, broken: str, said: str) -> None:
    folder = trial.folder / "node0"
    _write(folder, 1)
    node = trial.node("--procs", "2", "--concurrency", "8", module="app", folder=folder)
    before = set(node.children())
    load = trial.enqueue("app.version", 0.01, count=trial.count(300))
    trial.begun(load[:10])
    _write(folder, 2, broken)
    outcome = _reload(node)
    assert outcome.returncode == 1
    assert said in outcome.stderr
    eventually(lambda: _count(node, "reload failed") == 1)
    assert said in node.log
    assert trial.at_rest() == {"completed": len(load)}
    assert _results(trial, load) == {1}
    assert set(node.children()) == before
    assert node.status().phase == "running"
    _write(folder, 3)
    trial.fault()
    assert _reload(node).returncode == 0
    trial.recovered()
    ids = trial.enqueue("app.version", 0, count=20)
    trial.at_rest()
    assert _results(trial, ids) == {3}
    trial.check_ledger()
    assert node.status().child_deaths == 0


@pytest.mark.fault(25)
def test_an_import_that_hangs_meets_the_deadline_and_one_more_reload_follows(trial: Trial) -> None:
    folder = trial.folder / "node0"
    _write(folder, 1)
    node = trial.node("--procs", "1", module="app", folder=folder, CURRANT_BOOT_TIMEOUT_S="15")
    _write(folder, 2, HANGING)
    (folder / "hang").touch()
    node.send(signal.SIGHUP)
    eventually((folder / "hangs").exists)
    (folder / "hang").unlink()
    # Asked for while one is under way: one more follows.
    node.send(signal.SIGHUP)
    eventually(lambda: _count(node, "reloaded") == 1)
    assert _count(node, "reload failed") == 1
    assert "importing the modules took longer than 15 s" in node.log
    assert _count(node, "reloading") == 2
    ids = trial.enqueue("app.version", 0)
    trial.at_rest()
    assert _results(trial, ids) == {2}
    trial.check_ledger()


@pytest.mark.fault(24)
def test_old_generations_are_bounded_and_what_the_oldest_ran_goes_on_in_new_code(trial: Trial) -> None:
    folder = trial.folder / "node0"
    _write(folder, 1)
    node = trial.node("--procs", "1", "--concurrency", "4", module="app", folder=folder)
    held: list[str] = []
    for version in range(2, 7):
        held += trial.enqueue("app.at_the_gate")
        trial.begun(held)
        _write(folder, version)
        assert _reload(node).returncode == 0
    # A fork server for each generation: the present one, and three old ones.
    eventually(lambda: len(node.descendants()) == 2 * 4)
    trial.open_gate()
    assert trial.at_rest() == {"completed": 5}
    assert trial.rows("SELECT DISTINCT crashes, attempt FROM executions") == [(0, 1)]
    trial.check_ledger(twice=held[:2])
    eventually(lambda: len(node.descendants()) == 2)


@pytest.mark.fault(23)
def test_a_drain_during_a_reload_ends_both(trial: Trial) -> None:
    folder = trial.folder / "node0"
    _write(folder, 1)
    node = trial.node("--procs", "2", module="app", folder=folder)
    ids = trial.enqueue("app.version", 0.2, count=20)
    trial.begun(ids[:1])
    _write(folder, 2, "import time\ntime.sleep(3600)\n")
    node.send(signal.SIGHUP)
    eventually(lambda: _count(node, "reloading") == 1)
    assert node.stop() == 0
    assert not node.descendants()
    assert not trial.states()["running"]
    assert _count(node, "reload failed") == 0
    trial.check_ledger()
