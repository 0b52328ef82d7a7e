"""What a child measures: each execution once, in the bucket that its time belongs to."""

import math

import msgspec
import pytest

from currant.child.stopwatch import Stopwatch
from currant.protocol.timings import BOUNDS_S, SECONDS_MAX, Timings
from currant.protocol.work import Pong, from_child_decoder


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_starts_and_ends_are_told_once_each_as_they_come() -> None:
    clock = Clock()
    watch = Stopwatch(clock)
    assert watch.take() == []
    first, second = watch.of("q", "f"), watch.of("q", "g")
    began = first.begin(99.5)
    assert watch.take() == [Timings("q", "f", 1, 0, {6: 1}, 0.5)]
    clock.now += 0.25
    also = second.begin(0.0)
    first.end(began)
    second.end(also)
    # Of one whose moment is not known only the run has a length.
    assert watch.take() == [
        Timings("q", "g", 1, 1, {}, 0.0, {0: 1}, 0.0),
        Timings("q", "f", 0, 1, {}, 0.0, {5: 1}, 0.25),
    ]
    assert watch.take() == []


def test_functions_and_queues_are_told_apart_in_whatever_order_they_come() -> None:
    watch = Stopwatch(Clock())
    for pair in (("q", "f"), ("other", "f"), ("q", "g"), ("q", "f"), ("", ""), ("q", "g")):
        times = watch.of(*pair)
        times.end(times.begin(0.0))
    found = {(each.queue, each.function): (each.began, each.ended) for each in watch.take()}
    assert found == {("q", "f"): (2, 2), ("other", "f"): (1, 1), ("q", "g"): (2, 2), ("", ""): (1, 1)}


def test_what_runs_while_any_number_of_names_comes_is_counted_at_its_end() -> None:
    watch = Stopwatch(Clock())
    times = watch.of("q", "f")
    began = times.begin(0.0)
    for number in range(3000):
        other = watch.of("q", f"f{number}")
        other.end(other.begin(0.0))
    assert len(watch.take()) == 3001
    times.end(began)
    assert watch.take() == [Timings("q", "f", 0, 1, {}, 0.0, {0: 1}, 0.0)]


@pytest.mark.parametrize("bucket", range(len(BOUNDS_S)))
def test_a_bucket_ends_with_its_bound(bucket: int) -> None:
    clock = Clock()
    clock.now = 0.0
    watch = Stopwatch(clock)
    for bound in (BOUNDS_S[bucket], math.nextafter(BOUNDS_S[bucket], math.inf)):
        clock.now = 0.0
        times = watch.of("q", "f")
        began = times.begin(0.0)
        clock.now = bound
        times.end(began)
    (found,) = watch.take()
    assert found.runs == {bucket: 1, bucket + 1: 1}


@pytest.mark.parametrize("due_s", [math.inf, -math.inf, math.nan, 1e300, -1e300])
def test_a_moment_that_none_can_be_hurts_nobody(due_s: float) -> None:
    watch = Stopwatch(Clock())
    for _ in range(3):
        watch.of("q", "f").begin(due_s)
        watch.of("q", "f").begin(99.0)
    (found,) = watch.take()
    assert (found.began, sum(found.waits.values())) == (6, 6)
    assert 0 <= found.waits_s <= SECONDS_MAX
    # What it says can be read.
    message = Pong(1, 0.0, [found])
    assert from_child_decoder.decode(msgspec.msgpack.encode(message)) == message
