"""Row 37: the clock of a node's host jumps."""

from pathlib import Path
from typing import Any

import pytest

from currant.supervisor.events import Event
from tests.faults.servers import count
from tests.faults.trial import Trial
from tests.nodes import eventually

FAKETIME = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), None)

pytestmark = [
    pytest.mark.fault(37),
    pytest.mark.skipif(FAKETIME is None, reason="libfaketime is not installed (package faketime)"),
]


@pytest.mark.parametrize("jump", ["+3600", "-3600"])
def test_a_clock_that_jumps_by_an_hour_kills_no_node_and_moves_no_schedule(trial: Trial, jump: str) -> None:
    clock = trial.folder / "clock"
    clock.write_text("+0")
    # Of the host's clocks the one that people can set: the monotonic one goes on.
    faked: dict[str, Any] = {
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    }
    options = ("--procs", "1", "--concurrency", "8")
    jumping = trial.node(*options, module="jobs,cron_jobs", **faked)
    steady = trial.node(*options, module="jobs,cron_jobs")
    gated = trial.enqueue("gated", count=16)
    trial.begun(gated)
    quick = trial.enqueue("echo", count=trial.count(300))
    later = trial.enqueue("echo", count=10, delay_s=3.0)
    with trial.fault():
        clock.write_text(jump)
    trial.open_gate()
    eventually(lambda: _completed(trial, [*gated, *quick, *later]))
    trial.recovered()
    # The schedule goes on, by the database's clock, once for each second.
    before = trial.rows("SELECT count(*) FROM executions WHERE function_name = 'cron_jobs.regular'")[0][0]
    eventually(
        lambda: (
            trial.rows("SELECT count(*) FROM executions WHERE function_name = 'cron_jobs.regular'")[0][0] >= before + 3
        )
    )
    assert trial.rows(
        "SELECT count(*) FROM executions WHERE function_name = 'cron_jobs.regular'"
        " AND created_at NOT BETWEEN now() - interval '10 minutes' AND now() + interval '1 minute'"
    ) == [(0,)]
    for node in (jumping, steady):
        assert count(node, Event.FENCED) == 0
        assert count(node, Event.RECLAIMED) == 0
    # Not by a drain: under libfaketime time.sleep may fail, which is no fault of the clock's.
    jumping.end()
    assert steady.stop() == 0
    assert trial.rows("SELECT count(*) FROM executions WHERE attempt > 1") == [(0,)]
    assert not trial.verdict([*gated, *quick, *later]).doubled


def _completed(trial: Trial, ids: list[str]) -> bool:
    return trial.rows("SELECT count(*) FROM executions WHERE status <> 'completed' AND id = ANY (%s)", ids) == [(0,)]
