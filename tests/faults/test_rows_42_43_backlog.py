"""Rows 42 and 43: a flood of pending rows, and a transaction that holds back vacuum."""

from pathlib import Path

import psycopg
import pytest

from tests.faults.trial import Trial
from tests.nodes import Node, eventually

FLOOD = """
    INSERT INTO executions (id, type, function_name, queue, status, args)
    SELECT 'job_flood_' || lpad(n::text, 20, '0'), 'job', 'jobs.echo', 'test', 'pending', '["someone@example.com"]'
    FROM generate_series(1, %s) AS n
"""


def _memory_bytes(node: Node) -> int:
    """Returns what the supervisor has in memory."""
    status = Path(f"/proc/{node.process.pid}/status").read_text()
    return next(1024 * int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))


@pytest.mark.fault(42)
@pytest.mark.parametrize(
    "rows", [60_000, pytest.param(1_000_000, marks=pytest.mark.crash_only("inserts a million rows"))]
)
def test_a_flood_of_pending_rows_costs_the_supervisor_no_memory(trial: Trial, rows: int) -> None:
    node = trial.node("--procs", "2")
    trial.enqueue("echo", count=500)
    trial.at_rest()
    before = _memory_bytes(node)
    trial.fault()
    with psycopg.connect(trial.url, autocommit=True) as admin:
        admin.execute(FLOOD, (rows,))
        admin.execute("NOTIFY test")
    some = 500 + trial.count(2000)
    eventually(lambda: trial.rows("SELECT count(*) FROM executions WHERE status = 'completed'") >= [(some,)])
    trial.recovered()
    # Rooms, batches and what is not saved yet, but not the backlog, which has some 50 MB, or a thousand.
    assert _memory_bytes(node) - before < 100 << 20
    # A newer one of a higher priority does not wait for the flood.
    (urgent,) = trial.enqueue("echo", priority=9)
    eventually(lambda: trial.row(urgent)["status"] == "completed")
    assert trial.rows("SELECT count(*) > 0 FROM executions WHERE status = 'pending'") == [(True,)]
    assert node.stop() == 0
    with psycopg.connect(trial.url, autocommit=True) as admin:
        admin.execute("DELETE FROM executions WHERE status = 'pending'")
    verdict = trial.verdict()
    trial.check_ledger(enqueued=verdict.executions)


@pytest.mark.fault(43)
def test_under_a_transaction_that_holds_back_vacuum_everything_goes_on(trial: Trial) -> None:
    """How much slower it is allowed to be, the plans say: tests/store/test_explain.py."""
    with psycopg.connect(trial.url) as held:
        held.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        held.execute("SELECT count(*) FROM executions")
        node = trial.node("--procs", "2")
        trial.fault()
        quick = 0
        for _ in range(3):
            quick += len(trial.enqueue("echo", count=trial.count(1500) // 3))
            assert trial.at_rest() == {"completed": quick}
        trial.recovered()
        held.rollback()
    trial.check_ledger()
    assert node.stop() == 0
