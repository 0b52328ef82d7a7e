"""What must hold whenever everything has ended, whatever was broken before."""

from collections import defaultdict
from collections.abc import Mapping

from tests.faults.trial import Trial
from tests.nodes import Run


def check(trial: Trial, ends: Mapping[str, frozenset[str]]) -> int:
    """Checks database and ledger, at rest; returns how many executions there are.

    Args:
        ends: the states in which each execution that the test enqueued may have ended.
    """
    inside = {run.id for run in trial.runs("enqueued")}
    # A fault makes some run again: what must not be is the same lease twice, or two runs at a time.
    verdict = trial.verdict([*ends, *inside], twice={run.id for run in trial.runs()})
    verdict.check()
    rows = trial.rows("SELECT id, function_name, status, lease, result FROM executions")
    last = _last_leases(trial.runs())
    for id, function, status, lease, result in rows:
        assert status in ends.get(id, {"completed"}), f"{id} ({function}) has ended as {status}"
        if status == "completed":
            # The outcome is that of the last run, and no run began after it.
            assert result == lease == last[id], f"{id} ({function}): result of {result}, lease {lease}, ran {last[id]}"
    _no_run_beside_another(trial)
    failed = [id for id, _, status, _, _ in rows if status == "failed"]
    dead = trial.rows("SELECT execution_id, count(*) FROM dead_letter_queue GROUP BY 1")
    assert sorted(dead) == sorted((id, 1) for id in failed), "a dead letter for each failure"
    return verdict.executions


def _last_leases(runs: list[Run]) -> dict[str, int]:
    last: defaultdict[str, int] = defaultdict(int)
    for run in runs:
        last[run.id] = max(last[run.id], run.lease)
    return last


def _no_run_beside_another(trial: Trial) -> None:
    begins: defaultdict[str, list[Run]] = defaultdict(list)
    for run in trial.runs():
        begins[run.id].append(run)
    for end in trial.runs("end"):
        for run in begins[end.id]:
            assert run.lease <= end.lease or run.at >= end.at, (
                f"{end.id}: lease {run.lease} began before {end.lease} ended"
            )
