"""Rows 3 and 4 of the fault table: kills under load, checked with the ledger."""

import psycopg

from tests.nodes import World, eventually


def _running(world: World, count: int) -> None:
    eventually(lambda: len(world.runs()) - len(world.runs("end")) >= count)


def test_one_that_kills_its_child_each_time_ends_in_the_dead_letters(world: World) -> None:
    node = world.node("--procs", "1")
    (id,) = world.enqueue("killer", max_retries=0)
    assert world.at_rest() == {"failed": 1}
    row = world.row(id)
    assert row["crashes"] == 3
    assert row["error"]["type"] == "ChildDied"
    assert "SIGKILL" in row["error"]["message"]
    ((reason,),) = world.rows("SELECT failure_reason FROM dead_letter_queue")
    assert reason == "crashed 3 times: the child process that ran it ended: signal 9 (SIGKILL)"
    assert len(world.runs()) == 3
    # The node goes on.
    world.enqueue("echo")
    assert world.at_rest() == {"failed": 1, "completed": 1}
    assert node.process.poll() is None


# A row that someone else holds


def test_a_transaction_left_open_on_one_row_holds_up_no_other(world: World) -> None:
    world.node("--procs", "1", "--concurrency", "8")
    (held,) = world.enqueue("gated")
    eventually(lambda: world.states() == {"running": 1})
    with psycopg.connect(world.url) as other:
        other.execute("SELECT FROM executions WHERE id = %s FOR UPDATE", (held,))
        world.begun([held, *world.enqueue("gated", count=4)])
        world.open_gate()
        eventually(lambda: len(world.runs("end")) == 5)
        eventually(lambda: world.states() == {"completed": 4, "running": 1})
        other.rollback()
    assert world.at_rest() == {"completed": 5}
    world.check_ledger(5)
