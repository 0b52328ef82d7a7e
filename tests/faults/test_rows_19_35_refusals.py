"""Rows 19 and 35: what the server refuses, in passing or for good."""

import psycopg
import pytest

from currant.supervisor.events import Event
from tests.faults.servers import count
from tests.faults.trial import Trial
from tests.nodes import eventually

# Every second statement, by a sequence, so that it does not depend on luck.
CONFLICTS = """
    CREATE SEQUENCE conflicts;
    CREATE FUNCTION conflict() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF nextval('conflicts') % 2 = 0 THEN
            RAISE EXCEPTION 'a conflict' USING ERRCODE =
                CASE WHEN currval('conflicts') % 4 = 0 THEN '40001' ELSE '40P01' END;
        END IF;
        RETURN NULL;
    END $$;
    CREATE TRIGGER conflict AFTER UPDATE ON executions FOR EACH STATEMENT EXECUTE FUNCTION conflict();
"""


@pytest.mark.fault(19)
def test_serialization_failures_and_deadlocks_are_tried_again_and_are_no_loss_of_a_connection(trial: Trial) -> None:
    node = trial.node("--procs", "2")
    with psycopg.connect(trial.url, autocommit=True) as admin:
        admin.execute(CONFLICTS.encode())
    trial.fault()
    quick = trial.count(300)
    trial.enqueue("echo", count=quick)
    failing = trial.enqueue("failing", count=10, max_retries=0)
    assert trial.at_rest() == {"completed": quick, "failed": len(failing)}
    trial.recovered()
    assert trial.rows("SELECT last_value > 4 FROM conflicts") == [(True,)]
    assert trial.rows("SELECT DISTINCT attempt FROM executions") == [(1,)]
    trial.check_ledger()
    assert count(node, Event.CONNECTION_LOST) == 0
    assert node.status().executions["fenced"] == 0
    assert node.stop() == 0


@pytest.mark.fault(35)
def test_a_result_that_poisons_its_batch_stands_alone_in_the_end(trial: Trial) -> None:
    node = trial.node("--procs", "2", "--concurrency", "64")
    with psycopg.connect(trial.url, autocommit=True) as admin:
        admin.execute("ALTER TABLE executions ADD CHECK (result IS DISTINCT FROM '\"poison\"')")
    trial.fault()
    # Together, so that they come back in few batches.
    poison = trial.enqueue("echo", "poison", count=3, priority=6)
    others = trial.enqueue("echo", "well", count=trial.count(400))
    assert trial.at_rest() == {"completed": len(others), "failed": len(poison)}
    trial.recovered()
    for id in poison:
        assert trial.row(id)["error"]["type"] == "ResultRefused"
    eventually(lambda: count(node, Event.OUTCOME_REFUSED) == len(poison))
    assert trial.rows("SELECT DISTINCT result FROM executions WHERE status = 'completed'") == [("well",)]
    trial.check_ledger()
    assert node.status().unsaved == 0
    assert node.stop() == 0
