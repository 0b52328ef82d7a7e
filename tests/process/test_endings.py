"""What a job raises to say how it goes on: Retry, Snooze, Discard."""

import itertools

from tests.nodes import World


def test_a_retry_counts_and_waits_as_it_was_told(world: World) -> None:
    node = world.node("--procs", "1")
    (id,) = world.enqueue("control", "retry", 0.4)
    assert world.at_rest() == {"completed": 1}
    row = world.row(id)
    assert (row["attempt"], row["crashes"], row["result"]) == (3, 0, "done")
    starts = [run.at for run in world.runs()]
    assert all(later - before >= 0.4 for before, later in itertools.pairwise(starts))
    assert node.status().executions["retried"] == 2


def test_a_retry_without_retries_left_is_a_dead_letter_with_its_reason(world: World) -> None:
    world.node("--procs", "1")
    (first, second) = world.enqueue("control", "retry", 0, max_retries=0) + world.enqueue(
        "sync_control", "retry", 0, max_retries=1
    )
    assert world.at_rest() == {"failed": 2}
    for id, runs in ((first, 1), (second, 2)):
        assert world.row(id)["error"] == {"type": "Retry", "message": "busy"}
        ((error, reason),) = world.rows(
            "SELECT execution_data -> 'error' ->> 'message', failure_reason FROM dead_letter_queue"
            " WHERE execution_id = %s",
            id,
        )
        assert (error, reason) == ("busy", f"failed in its last attempt ({runs} of {runs})")


def test_a_snooze_uses_up_no_attempt(world: World) -> None:
    node = world.node("--procs", "1")
    (id,) = world.enqueue("control", "snooze", 0.4, max_retries=0)
    assert world.at_rest() == {"completed": 1}
    row = world.row(id)
    assert (row["attempt"], row["error"], row["result"]) == (1, None, "done")
    assert [run.attempt for run in world.runs()] == [1, 1, 1]
    assert len({run.lease for run in world.runs()}) == 3
    status = node.status()
    assert (status.executions["snoozed"], status.executions["retried"]) == (2, 0)


def test_a_discard_ends_it_as_cancelled_without_a_dead_letter(world: World) -> None:
    node = world.node("--procs", "1")
    ids = world.enqueue("control", "discard") + world.enqueue("sync_control", "discard")
    assert world.at_rest() == {"cancelled": 2}
    for id in ids:
        assert world.row(id)["error"] == {"type": "Discarded", "message": "nothing to do"}
        assert world.row(id)["completed_at"] is not None
    assert world.rows("SELECT count(*) FROM dead_letter_queue") == [(0,)]
    assert len(world.runs()) == 2
    assert node.status().executions["cancelled"] == 2
