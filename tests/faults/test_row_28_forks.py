"""Row 28: user code forks and spawns. A copy of a child does no harm, and what outlives its child is ended."""

import os
import secrets
import signal
from pathlib import Path

import pytest

from tests.faults.trial import Trial
from tests.nodes import HANGS_S, eventually

pytestmark = pytest.mark.fault(28)

WAYS = ("subprocess", "shell", "session", "stubborn", "daemon")


def _sleeping(mark: str) -> list[int]:
    """Returns the pids of what sleeps for so long."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                words = (folder / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if mark.encode() in words and words[0].endswith(b"sleep"):
                found.append(int(folder.name))
    return found


def _mark() -> str:
    return f"{3600 + secrets.randbelow(10**6)}.{secrets.randbelow(10**6)}"


def test_a_copy_of_a_child_ends_where_it_would_go_on_as_a_second_child(trial: Trial) -> None:
    node = trial.node("--procs", "1", "--concurrency", "64", module="jobs,forking_jobs")
    (child,) = node.children()
    neighbours = trial.enqueue("gated", count=40)
    trial.begun(neighbours)
    expected = {}
    for function, args, result in (
        ("forks_and_returns", (), 0),
        ("forks_in_a_task", (), 0),
        ("sync_forks_and_returns", (), 0),
        ("forks_and_exits", (7,), 7),
        ("sync_forks_and_raises", (), 1),
        ("uses_multiprocessing", (), [*(number * number for number in range(10)), -signal.SIGTERM]),
    ):
        for id in trial.enqueue(f"forking_jobs.{function}", *args, count=max(3, trial.count(0) // 20), max_retries=0):
            expected[id] = (function, result)
    (told,) = trial.enqueue("forking_jobs.forks_and_enqueues", max_retries=0)
    eventually(
        lambda: (
            trial.rows("SELECT count(*) FROM executions WHERE id = ANY (%s) AND status <> 'running'", [*expected])
            == [(len(expected),)]
            or trial.states()["running"] == 40
        ),
        within_s=600 if trial.crash else HANGS_S,
    )
    with trial.fault():
        trial.open_gate()
    trial.at_rest()
    trial.recovered()
    for id, (function, result) in expected.items():
        row = trial.row(id)
        assert (row["status"], row["result"], row["attempt"]) == ("completed", result, 1), (function, row)
    assert "forked" in trial.row(told)["result"]
    assert trial.row(told)["result"].startswith("DatabaseUnreachable")
    # No copy ran on with what the child runs.
    assert [run.pid for run in trial.runs("end")] == [child] * 40
    assert node.children() == [child]
    trial.check_ledger()
    assert node.stop() == 0


def test_what_outlives_its_child_is_ended_and_what_belongs_to_another_is_not(trial: Trial) -> None:
    node = trial.node("--procs", "2", "--concurrency", "8", module="jobs,forking_jobs")
    marks = {}
    for way in WAYS:
        for _ in range(4):
            mark = _mark()
            (id,) = trial.enqueue("forking_jobs.spawns", mark, way)
            marks[id] = mark
    assert trial.at_rest() == {"completed": len(marks)}
    ran_in = {run.id: run.pid for run in trial.runs()}
    # A shell, and a daemon, may only now come to it.
    eventually(lambda: all(map(_sleeping, marks.values())))
    victim, *others = node.children()
    with trial.fault():
        os.kill(victim, signal.SIGKILL)
    eventually(lambda: not any(_sleeping(mark) for id, mark in marks.items() if ran_in[id] == victim))
    trial.recovered()
    assert all(_sleeping(mark) for id, mark in marks.items() if ran_in[id] in others)
    assert others[0] in node.children()
    trial.enqueue("echo", count=20)
    assert trial.at_rest() == {"completed": len(marks) + 20}
    # At the node's end nothing is left.
    assert node.stop() == 0
    eventually(lambda: not any(map(_sleeping, marks.values())))
    trial.check_ledger()
