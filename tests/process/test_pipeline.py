"""What a node does with executions: each runs, and what became of it is in its row."""

import signal
import time

from tests.nodes import World, eventually


def test_thousands_of_executions_each_run_once(world: World) -> None:
    world.enqueue("echo", 1, count=3000)
    world.node("--procs", "2")
    world.enqueue("echo", {"a": [1, "ü"]}, count=2000)
    assert world.at_rest() == {"completed": 5000}
    world.check_ledger(5000)
    assert len(world.runs()) == 5000
    assert world.rows("SELECT DISTINCT result::text FROM executions ORDER BY 1") == [("1",), ('{"a": [1, "ü"]}',)]
    # Not the lease: what a machine that stalls could not begin for a while is given back, uncounted.
    assert world.rows("SELECT DISTINCT attempt, crashes, error FROM executions") == [(1, 0, None)]


def test_a_failing_execution_waits_longer_each_time_and_ends_in_the_dead_letters(world: World) -> None:
    (id,) = world.enqueue("failing", max_retries=2)
    world.node("--procs", "1")
    assert world.at_rest() == {"failed": 1}
    first, second, third = world.runs()
    assert (first.attempt, second.attempt, third.attempt) == (1, 2, 3)
    # Half to all of 0.2 s, then of 0.4 s.
    assert second.at - first.at > 0.1
    assert third.at - second.at > 0.2
    row = world.row(id)
    assert row["attempt"] == 3
    assert row["error"]["type"] == "ValueError"
    assert row["error"]["message"] == "this one always fails"
    assert 'raise ValueError("this one always fails")' in row["error"]["traceback"]
    ((execution, reason, data),) = world.rows(
        "SELECT execution_id, failure_reason, execution_data FROM dead_letter_queue"
    )
    assert execution == id
    assert "last attempt" in reason
    assert data["function_name"] == "jobs.failing"


def test_a_retry_waits_as_scheduled_and_not_in_the_queue(world: World) -> None:
    (id,) = world.enqueue("failing")
    world.node("--procs", "1", CURRANT_RETRY_BASE_S="60")
    row = eventually(lambda: (row := world.row(id))["status"] == "scheduled" and row)
    # Half to all of the 60 s, from its end on.
    assert (row["run_at"] - row["created_at"]).total_seconds() > 30
    assert world.rows("SELECT run_at - now() < interval '60 s' FROM executions") == [(True,)]
    assert row["error"]["type"] == "ValueError"


def test_one_that_fails_at_first_completes_in_the_end_without_an_error(world: World) -> None:
    (id,) = world.enqueue("flaky", 3)
    world.node("--procs", "1")
    assert world.at_rest() == {"completed": 1}
    row = world.row(id)
    assert (row["attempt"], row["result"], row["error"]) == (3, 3, None)
    assert not world.rows("SELECT FROM dead_letter_queue")


def test_without_retries_a_failure_is_final_after_one_run(world: World) -> None:
    world.enqueue("failing", max_retries=0, count=5)
    world.node("--procs", "1")
    assert world.at_rest() == {"failed": 5}
    assert len(world.runs()) == 5


def test_a_timeout_cancels_what_runs(world: World) -> None:
    (id,) = world.enqueue("endless", max_retries=0, timeout_s=1)
    world.node("--procs", "1")
    assert world.at_rest() == {"failed": 1}
    row = world.row(id)
    assert row["error"]["type"] == "Timeout"
    assert row["error"]["message"] == "ran longer than its timeout of 1 s"
    assert len(world.runs("cancelled")) == 1


def test_a_result_that_cannot_be_stored_fails_that_execution_alone(world: World) -> None:
    (odd,) = world.enqueue("odd_result")
    (large,) = world.enqueue("large_result", 3_000_000)
    (many,) = world.enqueue("sleeper", 1, 2)
    (wrong,) = world.enqueue("sleeper", "a")
    world.enqueue("echo", "fine", count=50)
    world.node("--procs", "1")
    assert world.at_rest() == {"failed": 4, "completed": 50}
    assert world.row(odd)["error"]["type"] == "NotJSON"
    assert "jobs.odd_result" in world.row(odd)["error"]["message"]
    assert "CURRANT_PAYLOAD_BYTES_MAX" in world.row(large)["error"]["message"]
    assert "jobs.sleeper(seconds: float)" in world.row(many)["error"]["message"]
    assert "jobs.sleeper: argument `seconds`: Expected `float`, got `str`" in world.row(wrong)["error"]["message"]
    # None of them could have succeeded in another attempt.
    assert {world.row(id)["attempt"] for id in (odd, large, many, wrong)} == {1}


def test_higher_priority_runs_first_then_older(world: World) -> None:
    for _ in range(5):
        low = world.enqueue("echo", count=20, priority=1)
        high = world.enqueue("echo", count=20, priority=9)
        middle = world.enqueue("echo", count=20, priority=5)
        node = world.node("--procs", "1", "--concurrency", "1")
        world.at_rest()
        released = node.status().executions["released"]
        node.stop()
        # What was given back while the machine stalled is overtaken.
        if not released:
            break
    assert [run.id for run in world.runs()][-60:] == high + middle + low


def test_an_unknown_function_is_parked_until_a_node_knows_it(world: World) -> None:
    (id,) = world.enqueue("other_jobs.greet", "you")
    first = world.node("--procs", "1")
    row = eventually(lambda: (row := world.row(id))["status"] == "scheduled" and row)
    assert row["attempt"] == 0
    assert row["error"]["type"] == "UnknownFunction"
    assert "other_jobs.greet" in row["error"]["message"]
    eventually(lambda: first.status().parked == {"other_jobs.greet": 1})
    assert "other_jobs.greet" in first.log
    assert first.stop() == 0
    world.node("--procs", "1", "-q", "test", module="other_jobs")
    assert world.at_rest() == {"completed": 1}
    assert world.row(id)["result"] == "hello you"


def test_the_queues_are_those_that_the_modules_register_or_those_that_are_given(world: World) -> None:
    world.enqueue("elsewhere", queue="other")
    world.enqueue("echo", queue="unheard")
    node = world.node("--procs", "1")
    assert sorted(node.status().queues) == ["other", "test"]
    eventually(lambda: world.states() == {"completed": 1, "pending": 1})
    node.stop()
    world.node("--procs", "1", "-q", "unheard,more")
    assert world.at_rest() == {"completed": 2}


def test_a_raw_insert_without_a_notification_is_found_by_the_tick(world: World) -> None:
    world.node("--procs", "1")
    time.sleep(0.5)  # its first claim, which comes with being ready, is over
    world._connection.execute(
        "INSERT INTO executions (id, type, function_name, queue, status)"
        " VALUES ('job_raw', 'job', 'jobs.echo', 'test', 'pending')"
    )
    assert world.at_rest() == {"completed": 1}


def test_large_arguments_pass_and_larger_ones_fail_by_name(world: World) -> None:
    fits = world.enqueue("echo", "x" * 1_000_000, count=30)
    (raw,) = world.enqueue("echo", "x" * 3_000_000)
    numbers = world.enqueue("echo", list(range(140_000)))
    world.node("--procs", "2", "--concurrency", "8")
    assert world.at_rest() == {"completed": 31, "failed": 1}
    assert world.row(raw)["error"]["type"] == "PayloadTooLarge"
    assert len(world.row(fits[0])["result"]) == 1_000_000
    assert len(world.row(numbers[0])["result"]) == 140_000


def test_status_shows_children_slots_and_counts(world: World) -> None:
    node = world.node("--procs", "3", "--concurrency", "4")
    # The node is ready with its first child: work that is there before the others are goes to that one.
    eventually(lambda: [child.state for child in node.status().children] == ["ready"] * 3)
    world.enqueue("gated", count=5)
    world.enqueue("failing", max_retries=0)
    reply = eventually(lambda: (status := node.status()).executions["failed"] == 1 and status)
    assert len(reply.children) == 3
    assert [child.slots for child in reply.children] == [4, 4, 4]
    # Evenly: no child has more than one above another.
    assert sorted(child.running for child in reply.children) == [1, 2, 2]
    assert reply.executions["claimed"] == 6
    assert reply.phase == "running"
    # Asked again: that answer's look into the database may have come before the claim of the last one.
    eventually(lambda: node.status().pending == {"other": 0, "test": 0})
    node.send(signal.SIGTERM)
    eventually(lambda: node.status().phase == "draining")
    node.send(signal.SIGTERM)
    assert node.process.wait(60) == 0
