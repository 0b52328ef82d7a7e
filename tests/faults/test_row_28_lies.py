"""Row 28: user code writes well-formed frames that lie, or floods: the end of its child at most."""

import os
from pathlib import Path

import pytest

from tests.faults.lies import FATAL
from tests.faults.trial import Trial
from tests.nodes import HANGS_S, Node, eventually

pytestmark = pytest.mark.fault(28)


def _node(trial: Trial) -> Node:
    """A node that fails an execution at its first crash: each lie is to cost one child."""
    return trial.node("--procs", "2", "--concurrency", "4", module="jobs,lying_jobs", CURRANT_CRASHES_MAX="1")


def _check(trial: Trial, node: Node) -> None:
    """The supervisor is the one that it was, has told of no mistake of its own, and runs what comes."""
    ids = trial.enqueue("echo", count=trial.count(100))
    ended = "SELECT count(*) FROM executions WHERE id = ANY (%s) AND status = 'completed'"
    eventually(lambda: trial.rows(ended, ids) == [(len(ids),)])
    assert node.process.poll() is None
    assert "Traceback" not in node.log, node.log


def test_lies_that_mean_nothing_cost_nothing(trial: Trial) -> None:
    node = _node(trial)
    pids = node.children()
    (id,) = trial.enqueue("lying_jobs.lies")
    eventually(lambda: trial.row(id)["status"] == "completed")
    _check(trial, node)
    assert node.children() == pids
    assert node.stop() == 0


@pytest.mark.parametrize("kinds", [list(FATAL)[::2], list(FATAL)[1::2]])
def test_a_frame_that_cannot_be_true_costs_its_child_alone(trial: Trial, kinds: list[str]) -> None:
    node = _node(trial)
    neighbours = trial.enqueue("echo", count=trial.count(100))
    # Over before: with so few crashes allowed, one that runs beside a lie fails with it.
    trial.at_rest()
    for kind in kinds:
        (id,) = trial.enqueue("lying_jobs.lies_once", kind)
        trial.begun([id])
        trial.fault()
        row = eventually(lambda id=id: (row := trial.row(id))["status"] == "failed" and row)  # type: ignore[misc]
        trial.recovered()
        assert row["error"]["type"] == "ChildDied"
    eventually(lambda: node.log.count("bad frame") == len(kinds))
    assert node.status().child_deaths == len(kinds)
    _check(trial, node)
    states = trial.states()
    assert states["failed"] == len(kinds)
    assert states["completed"] >= len(neighbours)


#: Valid JSON, which neither Python nor the database reads to its ground.
DEEP = '{"type":"E","message":"","more":' + "[" * 50_000 + "]" * 50_000 + "}"


@pytest.mark.parametrize(
    "body",
    ["no JSON", "\xff\xfe", '{"type": 1}', "[]", '{"type":"a\\u0000b","message":""}', DEEP],
    ids=["no JSON", "no text", "number", "list", "NUL", "deep"],
)
def test_an_error_that_is_none_fails_its_execution(trial: Trial, body: str) -> None:
    node = _node(trial)
    (id,) = trial.enqueue("lying_jobs.fails_with", body)
    eventually(lambda: trial.row(id)["status"] == "failed")
    _check(trial, node)


def test_a_flood_of_enqueues_ends_its_child_and_fills_no_memory(trial: Trial) -> None:
    node = _node(trial)
    statm = Path(f"/proc/{node.process.pid}/statm")
    (id,) = trial.enqueue("lying_jobs.floods")
    row = eventually(lambda: (row := trial.row(id))["status"] == "failed" and row)
    assert "before it is answered" in row["error"]["message"]
    assert int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") < (512 << 20)
    _check(trial, node)


def test_a_child_that_the_fork_server_only_claims_to_have_started_is_the_fork_servers_end(trial: Trial) -> None:
    node = trial.start(module="jobs,forging_jobs")
    assert node.process.wait(HANGS_S) == 1
    assert "Traceback" not in node.log, node.log
    assert "the fork server ended while it imported the modules: signal 9 (SIGKILL)" in node.log
