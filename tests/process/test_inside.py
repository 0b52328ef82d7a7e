"""Enqueues, cancels and waits from inside jobs, by the hand of real nodes."""

import os
import signal
import time
from typing import Any

import psycopg
import pytest

from tests.nodes import Node, World, eventually
from tests.process.proxy import Proxy

ENDED = {"completed", "failed", "cancelled"}


def _result(world: World, id: str) -> Any:
    """Waits until the execution has ended, and returns its result."""
    row = eventually(lambda: (row := world.row(id))["status"] in ENDED and row)
    assert row["status"] == "completed", row["error"]
    return row["result"]


def _run(world: World, function: str, *args: Any, **options: Any) -> Any:
    """Runs one of `inside.py`, and returns its result."""
    options.setdefault("max_retries", 0)
    (id,) = world.enqueue(f"inside.{function}", *args, **options)
    return _result(world, id)


def _node(world: World, *args: str) -> Node:
    return world.node(*args, module="inside")


# Enqueues


def test_a_job_enqueues_one_and_ten_thousand_others_also_from_a_generator(world: World) -> None:
    _node(world, "--procs", "2")
    (id,) = _run(world, "fan_out", 1)
    assert _result(world, id) == 0
    ids = _run(world, "fan_out", 10_000)
    assert len(set(ids)) == 10_000
    states = world.at_rest()
    assert states == {"completed": 1 + 1 + 1 + 10_000}
    # In the order of the calls.
    found = dict(world.rows("SELECT id, (args ->> 0)::int FROM executions WHERE id = ANY (%s)", ids))
    assert [found[id] for id in ids] == list(range(10_000))
    world.check_ledger(10_003)


def test_calls_that_run_at_once_each_get_their_own_handle(world: World) -> None:
    _node(world, "--procs", "2")
    pairs = _run(world, "one_by_one", 2000)
    assert len({id for id, _ in pairs}) == 2000
    found = dict(
        world.rows("SELECT id, (args ->> 0)::int FROM executions WHERE id = ANY (%s)", [id for id, _ in pairs])
    )
    assert all(found[id] == number for id, number in pairs)


def test_a_unique_key_inside_a_job_is_held_and_its_holder_is_found(world: World) -> None:
    _node(world)
    first, second, other = _run(world, "with_keys")
    assert first[1] is True
    assert second == [first[0], False]
    assert other[1] is True
    assert other[0] != first[0]


def test_a_delay_inside_a_job_is_kept(world: World) -> None:
    _node(world)
    delayed, at_moment = _run(world, "later", 0.8)
    # The moment was taken before the enqueue, which takes its time on a busy machine.
    for id, least_s in ((delayed, 0.8), (at_moment, 0.0)):
        assert _result(world, id) is None
        row = world.row(id)
        assert (row["claimed_at"] - row["created_at"]).total_seconds() >= least_s


def test_arguments_that_are_too_large_are_refused_by_name_and_nothing_of_the_list_is_stored(world: World) -> None:
    _node(world)
    kind, message = _run(world, "too_large")
    assert kind == "PayloadTooLarge"
    assert "inside.echo: args and kwargs" in message
    assert world.states() == {"completed": 1}


def test_what_the_database_refuses_is_its_callers_error_and_nobody_elses(world: World) -> None:
    with psycopg.connect(world.url, autocommit=True) as connection:
        connection.execute("ALTER TABLE executions ADD CHECK (args::text NOT LIKE '%poison%')")
    _node(world)
    outcomes = _run(world, "beside_poison", 50)
    assert outcomes.count("DatabaseError") == 1
    assert outcomes[25] == "DatabaseError"
    assert len([id for id in outcomes if id.startswith("job_")]) == 49
    assert world.at_rest() == {"completed": 50}


# Cancels


def test_a_job_cancels_what_waits_and_learns_what_had_ended(world: World) -> None:
    _node(world)
    assert _run(world, "cancel_some") == [True, False, False, False]


# Waits


def test_a_job_gets_the_results_of_its_sub_jobs_and_their_ends_of_other_kinds(world: World) -> None:
    _node(world)
    result, failure, cancelled, missing, late = _run(world, "await_each")
    assert result == {"of": [1, "two"]}
    assert failure == ["ExecutionFailed", "ValueError", "it fails"]
    assert cancelled == "ExecutionCancelled"
    assert missing == "ExecutionNotFound"
    assert late == "TimeoutError"


def test_a_result_as_large_as_the_limit_and_many_results_at_once_arrive(world: World) -> None:
    _node(world)
    assert _run(world, "large_results", 12, 1_000_000) == 12_000_000


def test_synchronous_code_in_a_thread_of_a_job_does_the_same_and_lends_the_slot(world: World) -> None:
    # With one slot a sub-job runs only if the thread's wait lends it.
    _node(world, "--procs", "1", "--concurrency", "1")
    assert _run(world, "in_thread") == [41, True, 3]


def test_synchronous_jobs_enqueue_and_wait_and_lend_their_slots(world: World) -> None:
    node = _node(world, "--procs", "1", "--concurrency", "1")
    assert _run(world, "sync_parent", 3) == 15
    world.enqueue("inside.sync_parent", 1, count=20, max_retries=0)
    assert world.at_rest() == {"completed": 15 + 60}
    world.check_ledger(75)
    _child_is_idle(node)


def test_a_parent_that_is_cancelled_while_it_waits_ends_and_its_slot_is_free_again(world: World) -> None:
    node = _node(world, "--procs", "1", "--concurrency", "2")
    ids = world.enqueue("inside.waits_for_later", count=5, max_retries=0)
    eventually(lambda: world.rows("SELECT count(*) FROM executions WHERE status = 'scheduled'") == [(5,)])
    assert _run(world, "cancel_these", ids) == [True] * 5
    eventually(lambda: world.rows("SELECT count(*) FROM executions WHERE status = 'cancelled'") == [(5,)])
    _child_is_idle(node)
    assert _most_at_once(world, 20) == 2


def test_the_sync_twins_on_the_event_loop_are_an_error_at_once(world: World) -> None:
    _node(world)
    kind, message = _run(world, "sync_on_the_loop")
    assert kind == "CurrantError"
    assert "await" in message


def test_a_loop_of_the_users_own_in_another_thread_enqueues_and_waits_as_well(world: World) -> None:
    _node(world)
    assert _run(world, "own_loop") == 7


# Lent slots


def test_64_parents_that_wait_for_a_sub_job_on_one_child_with_four_slots_finish(world: World) -> None:
    node = _node(world, "--procs", "1", "--concurrency", "4")
    world.enqueue("inside.parent", 1, count=64, max_retries=0)
    assert world.at_rest() == {"completed": 128}
    world.check_ledger(128)
    _child_is_idle(node)


def test_parents_of_three_levels_finish_on_one_slot(world: World) -> None:
    node = _node(world, "--procs", "1", "--concurrency", "1")
    # Each parent waits for two at once: 1 + 2 + 4 + 8.
    assert _run(world, "tree", 3) == 15
    assert world.at_rest() == {"completed": 15}
    _child_is_idle(node)


def test_one_that_waits_in_its_first_step_lends_its_slot_as_well(world: World) -> None:
    (sub,) = world.enqueue("inside.echo", 8, priority=1)
    ids = [world.enqueue("inside.waits_at_once", sub, priority=9)[0] for _ in range(3)]
    node = _node(world, "--procs", "1", "--concurrency", "1")
    assert [_result(world, id) for id in ids] == [8, 8, 8]
    _child_is_idle(node)


def test_a_parent_that_is_out_of_time_while_it_waits_fails_and_its_slot_is_free_again(world: World) -> None:
    node = _node(world, "--procs", "1", "--concurrency", "2")
    ids = world.enqueue("inside.waits_for_later", count=5, max_retries=0, timeout_s=1)
    for id in ids:
        row = eventually(lambda id=id: (row := world.row(id))["status"] == "failed" and row)  # type: ignore[misc]
        assert row["error"]["type"] == "Timeout"
    _child_is_idle(node)
    assert _most_at_once(world, 20) == 2


def test_no_more_run_than_there_are_slots_after_many_waits_of_all_kinds(world: World) -> None:
    node = _node(world, "--procs", "1", "--concurrency", "3")
    world.enqueue("inside.mixed_waits", count=40, max_retries=0)
    assert world.at_rest().keys() == {"completed"}
    _child_is_idle(node)
    assert _most_at_once(world, 30) == 3


def _most_at_once(world: World, count: int) -> int:
    """Runs so many that take a while, and returns how many of them ran at a time."""
    ids = world.enqueue("inside.busy", 0.1, count=count)
    eventually(lambda: len(world.runs("idle")) == len(ids))
    level = most = 0
    for line in world.ledger_file.read_text().splitlines():
        level += {"busy": 1, "idle": -1}.get(line.split()[0], 0)
        most = max(most, level)
    return most


def test_a_drain_ends_parents_that_wait_and_they_finish_on_the_next_node(world: World) -> None:
    node = _node(world, "--procs", "1", "--concurrency", "2", "--grace", "0.5")
    world.enqueue("inside.waits_for_long", 2, count=4)
    eventually(lambda: len(world.runs()) >= 4)
    assert node.stop() == 0
    assert not world.states()["running"]
    _node(world, "--procs", "2")
    assert world.at_rest().keys() == {"completed"}


def test_what_still_runs_in_a_drain_enqueues_and_cancels_as_before(world: World) -> None:
    node = _node(world, "--procs", "1", "--concurrency", "2")
    (id,) = world.enqueue("inside.enqueues_late", max_retries=0)
    eventually(lambda: len(world.runs()) == 1)
    node.send(signal.SIGTERM)
    eventually(lambda: node.status().phase == "draining")
    world.open_gate()
    assert node.process.wait(60) == 0
    kept, cancelled = _result(world, id)
    assert world.row(kept)["status"] == "pending"
    assert world.row(cancelled)["status"] == "cancelled"


def _child_is_idle(node: Node) -> None:
    """Everything is given back by the ledger's word: nothing runs or waits in a child."""

    def idle() -> bool:
        return all(child.running == child.waiting == 0 for child in node.status().children)

    eventually(idle)


# Faults


def test_a_child_killed_while_its_parents_wait_costs_a_retry_of_these_and_loses_nothing(world: World) -> None:
    node = _node(world, "--procs", "2", "--concurrency", "4")
    parents = world.enqueue("inside.waits_for_gated", count=16, max_retries=0)
    world.begun(parents)
    os.kill(next(run.pid for run in world.runs() if run.id in parents), signal.SIGKILL)
    world.open_gate()
    states = world.at_rest()
    assert states.keys() == {"completed"}
    crashed = {id for (id,) in world.rows("SELECT id FROM executions WHERE crashes > 0")}
    assert crashed & set(parents)
    # A parent that ran twice has enqueued twice: at least once.
    assert 32 <= states["completed"] <= 32 + len(crashed)
    world.check_ledger(states["completed"], twice=list(crashed))
    _child_is_idle(node)


def test_a_connection_that_ends_again_and_again_delays_enqueues_and_waits_and_loses_or_doubles_none(
    world: World,
) -> None:
    _node(world, "--procs", "2")
    (id,) = world.enqueue("inside.steadily", 60, max_retries=0)
    for _ in range(6):
        time.sleep(0.25)
        world.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'currantd:utility' AND pid <> pg_backend_pid()"
        )
    assert _result(world, id) == 60
    assert world.at_rest() == {"completed": 61}
    world.check_ledger(61)


@pytest.mark.parametrize(("function", "marker"), [("fan_out", b"inside.echo"), ("with_keys", b"COMMIT")])
def test_a_connection_cut_after_an_enqueues_commit_doubles_nothing_and_its_caller_never_knows(
    world: World, function: str, marker: bytes
) -> None:
    with Proxy(world.url) as proxy:
        node = Node(world.folder / "cut", proxy.url, world.ledger_file, module="inside", env={})
        world.nodes.append(node)
        node.ready()
        proxy.cut_next(b"currantd:utility", marker)
        arguments = [500] if function == "fan_out" else []
        result = _run(world, function, *arguments)
        assert proxy.cuts == 1
        if function == "fan_out":
            assert len(set(result)) == 500
            assert world.at_rest() == {"completed": 501}
            assert {id for (id,) in world.rows("SELECT id FROM executions WHERE function_name = 'inside.echo'")} == set(
                result
            )
        else:
            (first, is_first), second, (_, other_is_first) = result
            assert is_first
            assert other_is_first
            assert second == [first, False]
            assert sum(world.states().values()) == 3


def test_a_key_that_a_transaction_is_about_to_insert_holds_up_its_own_enqueue_and_no_other(world: World) -> None:
    _node(world)
    with psycopg.connect(world.url) as other:
        other.execute(
            "INSERT INTO executions (id, type, function_name, queue, status, unique_key)"
            " VALUES ('job_theirs', 'job', 'inside.echo', 'nowhere', 'pending', 'contested')"
        )
        (contested,) = world.enqueue("inside.with_key", "contested", max_retries=0)
        # In the way of the other's lock a statement has failed, and is to be repeated.
        eventually(lambda: world.row(contested)["status"] == "running")
        assert _run(world, "with_key", "another")[1] is True
        assert len(_run(world, "fan_out", 2000)) == 2000
        assert world.row(contested)["status"] == "running"
        other.commit()
    assert _result(world, contested) == ["job_theirs", False]


def test_code_that_writes_nonsense_on_its_childs_socket_costs_the_child_and_nothing_else(world: World) -> None:
    node = _node(world, "--procs", "2")
    (id,) = world.enqueue("inside.nonsense")
    row = eventually(lambda: (row := world.row(id))["status"] == "failed" and row)
    assert row["crashes"] == 3
    assert "bad frame" in node.log
    assert _run(world, "echo", 5) == 5
    assert node.process.poll() is None
