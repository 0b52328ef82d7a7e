"""Row 34: a function that no module of the node registers: parked, uncounted and visible, until a node knows it."""

import psycopg
import pytest

from tests.faults.trial import Trial
from tests.nodes import eventually

pytestmark = pytest.mark.fault(34)

PARKED = "SELECT count(*) FROM executions WHERE status = 'scheduled' AND run_at > '9000-01-01'"


def _parked(trial: Trial) -> int:
    ((count,),) = trial.rows(PARKED)
    return int(count)


def _park(trial: Trial, function: str, count: int) -> None:
    """As a node does it, for very many of them: the row that it parks is copied."""
    (id,) = trial.enqueue(function, "you")
    eventually(lambda: _parked(trial) == 1)
    with psycopg.connect(trial.url, autocommit=True) as connection:
        columns = "type, function_name, queue, status, args, kwargs, error, run_at"
        connection.execute(
            f"INSERT INTO executions (id, {columns})"
            f" SELECT 'job_copy' || lpad(n::text, 20, '0'), {columns}"
            " FROM executions, generate_series(2, %s) AS n WHERE id = %s",
            (count, id),
        )


def test_two_applications_share_a_queue_and_each_node_runs_what_it_knows(trial: Trial) -> None:
    first = trial.node("--procs", "1")
    count = trial.count(200)
    strange = trial.enqueue("other_jobs.greet", "you", count=count)
    known = trial.enqueue("jobs.echo", count=count)
    eventually(lambda: _parked(trial) == count, within_s=120)
    assert trial.rows("SELECT DISTINCT attempt, error ->> 'type' FROM executions WHERE id = ANY (%s)", strange) == [
        (0, "UnknownFunction")
    ]
    assert list(first.status().parked or ()) == ["other_jobs.greet"]
    with trial.fault():
        trial.node("--procs", "1", "-q", "test", module="other_jobs")
    # The first one takes some of what is unparked, and parks it again: the tick finds that.
    assert trial.at_rest() == {"completed": 2 * count}
    trial.recovered()
    assert trial.rows("SELECT DISTINCT attempt, crashes, run_at IS NULL, error IS NULL FROM executions") == [
        (1, 0, True, True)
    ]
    assert {run.id for run in trial.runs()} == set(known)
    trial.check_ledger()


def test_what_comes_while_both_nodes_run_reaches_the_one_that_knows_it(trial: Trial) -> None:
    trial.node("--procs", "1")
    trial.node("--procs", "1", "-q", "test", module="other_jobs")
    for _ in range(5):
        trial.enqueue("other_jobs.greet", "you", count=20)
        trial.enqueue("jobs.echo", count=20)
    assert trial.at_rest(120) == {"completed": 200}
    assert trial.rows("SELECT DISTINCT attempt, crashes FROM executions") == [(1, 0)]
    trial.check_ledger()


def _many(trial: Trial, count: int) -> None:
    node = trial.node("--procs", "1")
    _park(trial, "other_jobs.greet", count)
    assert (node.status().parked or {})["other_jobs.greet"] == min(count, 10_000)
    # What is known goes on beside them, what is scheduled comes in time, and an idle node is quiet.
    known = trial.enqueue("jobs.echo", count=100)
    retried = trial.enqueue("jobs.flaky", 2, count=10)
    eventually(
        lambda: (
            trial.rows("SELECT count(*) FROM executions WHERE id = ANY (%s) AND status = 'completed'", known + retried)
            == [(110,)]
        ),
    )
    with trial.fault():
        trial.node("--procs", "2", "-q", "test", module="other_jobs")
        node.stop()
    assert trial.at_rest(600) == {"completed": count + 110}
    trial.recovered()
    assert trial.rows("SELECT DISTINCT attempt FROM executions WHERE function_name = 'other_jobs.greet'") == [(1,)]
    trial.check_ledger(count + 110, twice=retried)


def test_twenty_thousand_parked_ones_hold_up_nothing_and_come_back(trial: Trial) -> None:
    _many(trial, 20_000)


@pytest.mark.crash_only("a million rows take minutes")
def test_a_million_parked_ones_hold_up_nothing_and_come_back(trial: Trial) -> None:
    _many(trial, 1_000_000)
