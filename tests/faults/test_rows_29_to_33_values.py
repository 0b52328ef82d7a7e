"""Rows 29 to 33: results, arguments and rows that nobody should have made. Each fails clearly and alone."""

from pathlib import Path

import pytest

from tests.faults import hostile
from tests.faults.trial import Trial
from tests.nodes import eventually


def _peak_bytes(pid: int) -> int:
    """The most memory that a process has had."""
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) << 10


@pytest.mark.fault(29)
@pytest.mark.fault(30)
@pytest.mark.fault(31)
def test_a_result_that_cannot_be_stored_is_a_clear_failure_and_not_tried_again(trial: Trial) -> None:
    node = trial.node("--procs", "1", "--concurrency", "16", module="jobs,hostile_jobs")
    (child,) = node.children()
    before = _peak_bytes(child)
    rounds = max(1, trial.count(0) // (2 * len(hostile.RETURNED)))
    bad = {}
    good = []
    for _ in range(rounds):
        for kind in hostile.RETURNED:
            (id,) = trial.enqueue("hostile_jobs.returns", kind)
            bad[id] = kind
            good += trial.enqueue("echo", [kind])
    (annotated,) = trial.enqueue("hostile_jobs.returns_bytes")
    trial.at_rest()
    for id, kind in bad.items():
        row = trial.row(id)
        assert row["status"] == "failed", (kind, row)
        assert (row["attempt"], row["crashes"]) == (1, 0) or not hostile.RETURNED[kind][1], (kind, row)
        if hostile.RETURNED[kind][1]:
            assert row["error"]["type"] == hostile.RETURNED[kind][1], (kind, row["error"])
            assert "hostile_jobs.returns" in row["error"]["message"]
    assert trial.states() == {"completed": len(good), "failed": len(bad) + 1}
    assert trial.row(annotated)["error"]["type"] == "PayloadTooLarge"
    # A gigabyte that was refused was not copied before.
    assert node.children() == [child]
    assert _peak_bytes(child) - before < 300 << 20
    trial.check_ledger(twice=[id for id, kind in bad.items() if not hostile.RETURNED[kind][1]])


@pytest.mark.fault(32)
def test_arguments_that_cannot_be_stored_are_refused_at_the_enqueue_by_name(trial: Trial) -> None:
    trial.node("--procs", "1", module="jobs,hostile_jobs")
    asked = {trial.enqueue("hostile_jobs.enqueues", kind)[0]: kind for kind in hostile.ARGUMENTS}
    assert trial.at_rest() == {"completed": len(asked)}
    for id, kind in asked.items():
        said = trial.row(id)["result"]
        assert "jobs.echo: arg" in said, (kind, said)
        assert hostile.ARGUMENTS[kind][1] in said, (kind, said)
    trial.check_ledger()


@pytest.mark.fault(32)
def test_a_claim_is_bounded_in_bytes_whatever_the_arguments_weigh(trial: Trial) -> None:
    large = trial.count(60) // 2
    sizes = {1_000_000: large if large < 100 else 300, 100_000: large, 1_000: large, 1: large}
    enqueued = []
    for size, count in sizes.items():
        enqueued += trial.enqueue("hostile_jobs.sized", "x" * size, count=count)
    node = trial.node("--procs", "2", "--concurrency", "500", module="jobs,hostile_jobs")
    assert trial.at_rest() == {"completed": len(enqueued)}
    # All the arguments at once would be more.
    assert _peak_bytes(node.process.pid) < 250 << 20
    assert not any(_peak_bytes(child) > 300 << 20 for child in node.children())
    trial.check_ledger()


#: Columns of a row, as SQL, and how it must end: the state, the error's type, a part of its message.
ROWS: dict[str, tuple[dict[str, str], str, str, str]] = {
    "args null": ({"args": "'null'"}, "failed", "DoesNotFit", "array"),
    "args object": ({"args": """'{"a": 1}'"""}, "failed", "DoesNotFit", "array"),
    "args text": ({"args": """'"abc"'"""}, "failed", "DoesNotFit", "array"),
    "args missing": ({"args": "'[]'"}, "failed", "TypeError", "first"),
    "kwargs array": ({"kwargs": "'[1]'"}, "failed", "DoesNotFit", "object"),
    "kwargs unknown": ({"kwargs": """'{"first": 1, "third": 1}'"""}, "failed", "TypeError", "third"),
    "too many": ({"args": """'[1, "b", 3]'"""}, "failed", "TypeError", "two"),
    "wrong type": ({"args": """'["one"]'"""}, "failed", "DoesNotFit", "first"),
    "huge number": ({"args": "to_jsonb(ARRAY[('1' || repeat('0', 400))::numeric])"}, "completed", "", ""),
    "deep": ({"args": "(repeat('[', 900) || repeat(']', 900))::jsonb"}, "failed", "", ""),
    "options array": ({"options": "'[1, 2]'", "args": "'[1]'"}, "completed", "", ""),
    "options text": ({"options": "'\"x\"'", "args": "'[1]'"}, "completed", "", ""),
    "timeout text": ({"options": """'{"timeout": "soon"}'""", "args": "'[1]'"}, "completed", "", ""),
    "timeout huge": ({"options": """'{"timeout": 1e400}'""", "args": "'[1]'"}, "completed", "", ""),
    "timeout tiny": (
        {"options": """'{"timeout": 1e-400}'""", "function_name": "'jobs.gated'"},
        "failed",
        "Timeout",
        "",
    ),
    "timeout below": ({"options": """'{"timeout": -5}'""", "function_name": "'jobs.gated'"}, "failed", "Timeout", ""),
    "seconds below": ({"timeout_seconds": "-5", "args": "'[1]'"}, "failed", "ConfigurationError", "-5"),
    "seconds below, in a thread": (
        {"timeout_seconds": "-5", "args": "'[1]'", "function_name": "'hostile_jobs.two_sync'"},
        "failed",
        "ConfigurationError",
        "-5",
    ),
    "keep": ({"options": """'{"keep_completed": "x", "keep_failed": [1]}'""", "args": "'[1]'"}, "completed", "", ""),
    "retries below": ({"max_retries": "-7", "args": "'[\"x\"]'"}, "failed", "DoesNotFit", ""),
    "attempt": ({"attempt": "2147483647", "args": "'[1]'"}, "completed", "", ""),
    "attempt below": ({"attempt": "-2147483648", "args": "'[1]'"}, "completed", "", ""),
    "crashes below": ({"crashes": "-2147483648", "args": "'[1]'"}, "completed", "", ""),
    "priority": ({"priority": "-2147483648", "args": "'[1]'"}, "completed", "", ""),
}


@pytest.mark.fault(33)
def test_rows_of_the_wrong_shape_fail_clearly_and_alone(trial: Trial) -> None:
    node = trial.node("--procs", "2", module="jobs,hostile_jobs")
    children = node.children()
    rounds = max(1, trial.count(0) // (4 * len(ROWS)))
    odd: dict[str, str] = {}
    for number in range(rounds):
        for index, (kind, (columns, *_)) in enumerate(ROWS.items()):
            values = {"function_name": "'hostile_jobs.two'", "max_retries": "0", "priority": "9", **columns}
            id = f"job_odd{number:06}x{index:03}"
            trial.rows(
                f"INSERT INTO executions (id, type, queue, status, {', '.join(values)})"
                f" VALUES ('{id}', 'job', 'test', 'pending', {', '.join(values.values())})"
                " RETURNING pg_notify('test', '')"
            )
            odd[id] = kind
    others = trial.enqueue("echo", count=trial.count(200))
    trial.at_rest()
    for id, kind in odd.items():
        _, status, type_name, said = ROWS[kind]
        row = trial.row(id)
        assert row["status"] == status, (kind, row)
        if type_name:
            assert row["error"]["type"] == type_name, (kind, row["error"])
            assert said in row["error"]["message"], (kind, row["error"])
    assert trial.rows("SELECT DISTINCT status, attempt, crashes FROM executions WHERE id = ANY (%s)", others) == [
        ("completed", 1, 0)
    ]
    assert node.process.poll() is None
    assert node.children() == children
    trial.check_ledger(len(odd) + len(others))
    eventually(lambda: not node.status().unsaved)
