"""What the bench enqueues, by the options and the seed."""

import json
from collections import Counter
from dataclasses import replace
from itertools import islice

import pytest

from currant.backends import NewExecution
from currant.bench.jobs import JobSpec
from currant.bench.plan import Plan, QueueShare
from currant.bench.supply import supply_of

PLAN = Plan(workers=1, queues=(QueueShare("one", 0.75), QueueShare("two", 0.25)), seed=5)
MIXED = JobSpec(kind="mixed", mix=(("noop", 0.5), ("fail", 0.5)), fail_percent=50, retries=4)


def first(count: int, plan: Plan, *, paced: bool = False) -> list[NewExecution]:
    return list(islice(supply_of(plan, paced=paced).executions(), count))


@pytest.mark.parametrize("size", [0, 1, 2, 3, 1000])
def test_payload_has_the_bytes_that_were_asked_for(size: int) -> None:
    (row,) = first(1, replace(PLAN, payload_bytes=size))
    assert len(row.args) == len("[]") + size
    assert len(json.loads(row.args)) == (size > 0)
    (row,) = first(1, replace(PLAN, payload_bytes=size, job=JobSpec(kind="sleep", sleep_ms=20)))
    assert json.loads(row.args)[0] == 20


def test_same_seed_gives_the_same_rows_and_kinds_do_not_follow_queues() -> None:
    plan = replace(PLAN, job=MIXED, payload_bytes=50)
    rows = first(800, plan)
    assert rows == first(800, plan)
    assert rows != first(800, replace(plan, seed=6))
    counts = Counter((row.queue, row.function, json.loads(row.args)[0] is True) for row in rows)
    expected = {
        ("one", "currant.bench.noop", False): 300,
        ("one", "currant.bench.fail", True): 150,
        ("one", "currant.bench.fail", False): 150,
        ("two", "currant.bench.noop", False): 100,
        ("two", "currant.bench.fail", True): 50,
        ("two", "currant.bench.fail", False): 50,
    }
    assert counts.keys() == expected.keys()
    assert all(abs(counts[each] - count) <= 4 for each, count in expected.items())
    assert {row.max_retries for row in rows if row.function.endswith("fail")} == {4}


def test_no_op_tells_its_start_at_a_rate_and_is_the_floors_own_in_a_backlog() -> None:
    plan = replace(PLAN, rate_per_s=100.0)
    assert first(1, plan, paced=True)[0].function == "currant.bench.stamp"
    assert first(1, plan)[0].function == "currant.bench.noop"


def test_there_are_as_many_enqueuers_as_the_rate_needs_unless_somebody_says_how_many() -> None:
    slow, fast = replace(PLAN, rate_per_s=10.0), replace(PLAN, rate_per_s=10_000.0)
    assert [supply_of(each, paced=True).enqueuers for each in (slow, fast)] == [8, 2000]
    assert supply_of(replace(fast, enqueue="many"), paced=True).enqueuers == 2
    assert supply_of(replace(fast, enqueuers=3), paced=True).enqueuers == 3
    assert [supply_of(fast, paced=each).many for each in (True, False)] == [False, True]
    assert not supply_of(replace(fast, enqueue="single"), paced=False).many
