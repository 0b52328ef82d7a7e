"""Row 41: NOTIFY lost or never sent. The tick finds what waits."""

import pytest

from currant.supervisor.tick import TICK_S
from tests.faults.trial import Trial
from tests.nodes import eventually


@pytest.mark.fault(41)
def test_rows_that_nobody_was_told_of_are_found_by_the_tick(trial: Trial) -> None:
    node = trial.node("--procs", "2")
    # A claim after the start would find the rows, too.
    trial.enqueue("echo")
    trial.at_rest()
    count = trial.count(300)
    with trial.fault():
        trial.rows(
            "INSERT INTO executions (id, type, function_name, queue, status)"
            " SELECT 'job_untold' || n, 'job', 'jobs.echo', 'test', 'pending' FROM generate_series(1, %s) AS n"
            " RETURNING 1",
            count,
        )
    eventually(lambda: len(trial.runs()) > 1)
    assert trial.recovered(at=trial.runs()[1].at) < trial.promised(TICK_S + 0.5, busy=30)
    assert trial.at_rest() == {"completed": count + 1}
    trial.check_ledger(count + 1)
    assert node.stop() == 0
