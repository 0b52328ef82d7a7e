"""What a node counts: it agrees with the database, and with what the jobs wrote down, to the last execution."""

from collections import Counter

import pytest

from tests.nodes import World, eventually
from tests.process.test_metrics import Scrape, address

CRASHES = ("ChildDied", "NodeDied")


def test_every_execution_is_counted_once_whatever_becomes_of_it(world: World) -> None:
    node = world.node("--procs", "1", "--metrics", "0", CURRANT_GRACE_S="1")
    url = address(node)
    world.enqueue("echo", 1, count=200)
    world.enqueue("flaky", 2, count=4)
    world.enqueue("failing", count=3, max_retries=2)
    world.enqueue("endless", count=3, timeout_s=1, max_retries=1)
    world.enqueue("sync_stubborn", timeout_s=1, max_retries=0)
    world.enqueue("control", "snooze", 0.1, count=2)
    world.enqueue("control", "discard", count=2)
    world.enqueue("odd_result", max_retries=0)
    world.begun(cancelled := world.enqueue("gated", count=2))
    world.cancel(*cancelled)
    world.at_rest()
    calm = that_agrees(world, url)
    started = calm.by("currant_executions_started_total", "function")
    assert started - Counter({("jobs.odd_result",): 1}) == starts(world)
    assert calm.by("currant_executions_finished_total", "function", "outcome")["jobs.control", "snoozed"] == 4
    assert calm.by("currant_execution_timeouts_total", "function") == {("jobs.endless",): 6, ("jobs.sync_stubborn",): 1}
    assert calm.value("currant_child_restarts_total", reason="timeout") == 1
    # That run which nothing could end has no length.
    assert calm.by("currant_execution_run_seconds_count", "function") == started - Counter({("jobs.sync_stubborn",): 1})
    assert calm.value("currant_execution_run_seconds_sum", queue="test", function="jobs.endless") >= 6
    assert calm.by("currant_execution_schedule_to_start_seconds_count", "function") == started
    done = calm.value("currant_child_executions_total", child="0")

    gated = world.enqueue("gated", count=2)
    world.begun(gated)
    (killer,) = world.enqueue("killer", max_retries=0)
    eventually(lambda: world.row(killer)["status"] == "failed")
    world.open_gate()
    world.at_rest()
    wild = that_agrees(world, url)
    assert wild.value("currant_child_restarts_total", reason="died") == 3
    started = wild.by("currant_executions_started_total", "function")
    # One may have been started and be killed before its first line.
    assert starts(world) <= started <= wild.by("currant_executions_claimed_total", "function")
    assert started["jobs.killer",] == 3
    # Of the place, whichever process stands there.
    assert wild.value("currant_child_executions_total", child="0") >= done

    world.enqueue("nobody_knows_it", count=3)
    eventually(lambda: Scrape(url).value("currant_executions_parked_total") == 3)
    last = that_agrees(world, url)
    assert last.by("currant_executions_claimed_total", "function")["other",] == 3


def test_slots_are_busy_for_as_long_as_jobs_ran_and_these_waited_for_as_long_as_others_held_them(world: World) -> None:
    """Whatever is between a slot's being taken and the job's own first line is little beside a second."""
    node = world.node("--procs", "2", "--concurrency", "4", "--metrics", "0")
    url = address(node)
    eventually(lambda: Scrape(url).by("currant_child_slots", "child") == {("0",): 4, ("1",): 4})
    before = Scrape(url)
    world.enqueue("measured", 1.0, count=16)
    world.at_rest()
    scrape = that_agrees(world, url)
    ran_s = sum(float(result) for (result,) in world.rows("SELECT result FROM executions"))
    assert total(scrape, "currant_child_busy_slot_seconds_total") == pytest.approx(ran_s, rel=0.02)
    assert total(scrape, "currant_execution_run_seconds_sum") == pytest.approx(ran_s, rel=0.02)
    # Two rounds in the slots: half of them waited for the first.
    assert total(scrape, "currant_execution_schedule_to_start_seconds_sum") >= 8 * 0.9
    children = node.status().children
    assert sum(child.busy_slot_s for child in children) == pytest.approx(ran_s, rel=0.02)
    for child in children:
        assert 0 < child.busy_slot_s < child.slot_s <= 4 * node.status().uptime_s
        assert child.cpu_s > 0
        assert child.memory_bytes > 1 << 20
    assert total(scrape, "currant_child_slot_seconds_total") > total(before, "currant_child_slot_seconds_total")


def total(scrape: Scrape, name: str) -> float:
    return sum(value for (each, _), value in scrape.samples.items() if each == name)


def starts(world: World) -> Counter[tuple[str, ...]]:
    """Returns how often each function began, by its own word."""
    functions = dict(world.rows("SELECT id, function_name FROM executions"))
    return Counter((functions[run.id],) for run in world.runs())


def that_agrees(world: World, url: str) -> Scrape:
    """Returns a scrape that agrees with the database, which is at rest."""
    # An outcome is in the database a moment before its write is answered.
    return eventually(lambda: scrape if agrees(world, scrape := Scrape(url)) else None)  # type: ignore[no-any-return]


def agrees(world: World, scrape: Scrape) -> bool:
    finished: Counter[tuple[str, ...]] = Counter()
    claimed: Counter[tuple[str, ...]] = Counter()
    uncounted = 0
    rows = world.rows("SELECT function_name, status, attempt, crashes, lease, error ->> 'type' FROM executions")
    for function, status, attempt, crashes, lease, error in rows:
        claimed[(function if function != "jobs.nobody_knows_it" else "other"),] += lease
        uncounted += lease - attempt
        if status == "scheduled":
            continue
        # A crash that another run follows is one; the last is a failure.
        crashed = crashes - (status == "failed" and error in CRASHES)
        finished += Counter(
            {(function, status): 1, (function, "crashed"): crashed, (function, "retried"): attempt - 1 - crashed}
        )
    found = scrape.by("currant_executions_finished_total", "function", "outcome")
    snoozed = sum(count for (_, outcome), count in found.items() if outcome == "snoozed")
    given_back = scrape.value("currant_executions_released_total") + scrape.value("currant_executions_parked_total")
    dead = Counter(world.rows("SELECT execution_data ->> 'function_name' FROM dead_letter_queue"))
    return (
        Counter({key: count for key, count in found.items() if key[1] != "snoozed"}) == finished
        and scrape.by("currant_executions_claimed_total", "function") == claimed
        and snoozed + given_back == uncounted
        and scrape.by("currant_dead_letters_total", "function") == dead
    )
