"""What a child measures: each execution once, in the bucket that its time belongs to."""

import math

import msgspec
import pytest

from currant.child.stopwatch import Stopwatch
from currant.executions import Execution
from currant.protocol.timings import BOUNDS_S, SECONDS_MAX, Timings
from currant.protocol.work import Pong, from_child_decoder
from tests.unit.support import execution


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def of(function: str, queue: str = "q", *, due_s: float = 0.0) -> Execution:
    some = execution()
    some.function, some.queue, some.due_s = function, queue, due_s
    return some


def test_starts_and_ends_are_told_once_each_as_they_come() -> None:
    clock = Clock()
    watch = Stopwatch(clock)
    assert watch.take() == []
    first, second = of("f", due_s=99.5), of("g")
    began = watch.begin(first)
    assert watch.take() == [Timings("q", "f", 1, 0, {6: 1}, 0.5)]
    clock.now += 0.25
    also = watch.begin(second)
    watch.end(first, began)
    watch.end(second, also)
    # Of one whose moment is not known only the run has a length.
    assert watch.take() == [
        Timings("q", "g", 1, 1, {}, 0.0, {0: 1}, 0.0),
        Timings("q", "f", 0, 1, {}, 0.0, {5: 1}, 0.25),
    ]
    assert watch.take() == []


def test_functions_and_queues_are_told_apart_in_whatever_order_they_come() -> None:
    watch = Stopwatch(Clock())
    some = [of("f"), of("f", "other"), of("g"), of("f"), of("", ""), of("g")]
    for each in some:
        watch.end(each, watch.begin(each))
    found = {(each.queue, each.function): (each.began, each.ended) for each in watch.take()}
    assert found == {("q", "f"): (2, 2), ("other", "f"): (1, 1), ("q", "g"): (2, 2), ("", ""): (1, 1)}


@pytest.mark.parametrize("bucket", range(len(BOUNDS_S)))
def test_a_bucket_ends_with_its_bound(bucket: int) -> None:
    clock = Clock()
    clock.now = 0.0
    watch = Stopwatch(clock)
    for bound in (BOUNDS_S[bucket], math.nextafter(BOUNDS_S[bucket], math.inf)):
        clock.now = 0.0
        began = watch.begin(of("f"))
        clock.now = bound
        watch.end(of("f"), began)
    (found,) = watch.take()
    assert found.runs == {bucket: 1, bucket + 1: 1}


@pytest.mark.parametrize("due_s", [math.inf, -math.inf, math.nan, 1e300, -1e300])
def test_a_moment_that_none_can_be_hurts_nobody(due_s: float) -> None:
    watch = Stopwatch(Clock())
    for _ in range(3):
        watch.begin(of("f", due_s=due_s))
        watch.begin(of("f", due_s=99.0))
    (found,) = watch.take()
    assert (found.began, sum(found.waits.values())) == (6, 6)
    assert 0 <= found.waits_s <= SECONDS_MAX
    # What it says can be read.
    message = Pong(1, 0.0, [found])
    assert from_child_decoder.decode(msgspec.msgpack.encode(message)) == message
