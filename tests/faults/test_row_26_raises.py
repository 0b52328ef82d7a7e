"""Row 26: user code raises what it should not. That execution fails; the others in its child live on."""

import pytest

from tests.faults import hostile
from tests.faults.trial import Trial
from tests.nodes import HANGS_S, eventually

pytestmark = pytest.mark.fault(26)

TRACEBACK_MAX = 40_000


def test_whatever_user_code_raises_is_that_executions_failure_alone(trial: Trial) -> None:
    node = trial.node("--procs", "1", "--concurrency", "64", module="jobs,hostile_jobs")
    (child,) = node.children()
    neighbours = trial.enqueue("gated", count=48)
    trial.begun(neighbours)
    kinds = [*hostile.RAISED, "recursion"]
    rounds = max(1, trial.count(0) // (2 * len(kinds)))
    raised = {}
    for function in ("raises", "sync_raises"):
        for kind in kinds:
            for id in trial.enqueue(f"hostile_jobs.{function}", kind, count=rounds, max_retries=0):
                raised[id] = (function, kind)
    for kind in ("exit", "interrupt", "liar"):
        trial.enqueue("hostile_jobs.lets_others_raise", kind, max_retries=0)
    trial.enqueue("hostile_jobs.stops_the_loop", max_retries=0)
    eventually(
        lambda: (
            trial.rows("SELECT count(*) FROM executions WHERE id = ANY (%s) AND status = 'failed'", list(raised))
            == [(len(raised),)]
        ),
        within_s=900 if trial.crash else HANGS_S,
    )
    with trial.fault():
        trial.open_gate()
    trial.at_rest()
    trial.recovered()
    for id, (function, kind) in raised.items():
        row = trial.row(id)
        assert (row["status"], row["attempt"], row["crashes"]) == ("failed", 1, 0), (function, kind, row)
        _, type_name, said = hostile.RAISED.get(kind, (None, "RecursionError", "recursion"))
        assert row["error"]["type"] == type_name, (function, kind, row["error"])
        assert said in row["error"]["message"], (function, kind, row["error"])
        assert len(row["error"].get("traceback", "")) < TRACEBACK_MAX
    # The neighbours ran through, in the one child that there was.
    assert trial.rows("SELECT DISTINCT status, attempt, crashes FROM executions WHERE id = ANY (%s)", neighbours) == [
        ("completed", 1, 0)
    ]
    assert node.children() == [child]
    trial.check_ledger()
    assert node.stop() == 0
