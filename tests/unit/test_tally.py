"""What is counted of executions: by names that are bounded, and each start once, whoever tells of it."""

from collections import Counter

import pytest

from currant.executions import Ending, Execution, RetryPolicy, Status, Verdict, judge
from currant.protocol.timings import BOUNDS_S, Timings
from currant.supervisor.tally import KEYS_MAX, OTHER, Histogram, Tally
from tests.unit.support import execution

KEY = ("default", "app.f")
POLICY = RetryPolicy(1.0, 60.0, 3)


@pytest.fixture
def tally() -> Tally:
    tally = Tally()
    tally.known(["app.f", "app.g"])
    return tally


def of(function: str, queue: str = "default") -> Execution:
    some = execution()
    some.function, some.queue = function, queue
    return some


def verdict(ending: Ending, **fields: int) -> Verdict:
    given = judge(execution(**fields), ending, None, POLICY, lambda: 0.5)  # type: ignore[arg-type]
    given.ending = ending
    return given


def test_a_flood_of_names_counts_as_other(tally: Tally) -> None:
    tally.note_claimed([of(f"raw_{number}") for number in range(5000)] + [of("app.f")] * 3)
    assert tally.claimed == {("default", OTHER): 5000, KEY: 3}
    tally.note_claimed([of("app.f", f"queue_{number}") for number in range(5000)])
    tally.note_claimed([of("raw", f"further_{number}") for number in range(5000)])
    assert tally.claimed.total() == 15_003
    assert len(tally.claimed) == KEYS_MAX
    tally.note_completed([of("app.f"), of("app.f", "queue_4999"), of("raw")])
    assert tally.finished == {
        (*KEY, "completed"): 1,
        (OTHER, OTHER, "completed"): 1,
        ("default", OTHER, "completed"): 1,
    }


def test_a_function_that_comes_with_a_reload_has_its_name_from_then_on(tally: Tally) -> None:
    tally.note_claimed([of("app.new")])
    tally.known(["app.new"])
    tally.note_claimed([of("app.new"), of("app.f")])
    assert tally.claimed == {("default", OTHER): 1, ("default", "app.new"): 1, KEY: 1}


@pytest.mark.parametrize(
    ("given", "outcome"),
    [
        (verdict(Ending.FAILED), "retried"),
        (verdict(Ending.FAILED, attempt=4), "failed"),
        (verdict(Ending.RETRIED), "retried"),
        (verdict(Ending.REJECTED), "failed"),
        (verdict(Ending.CANCELLED), "cancelled"),
        (verdict(Ending.SNOOZED), "snoozed"),
        (verdict(Ending.CRASHED), "crashed"),
        (verdict(Ending.CRASHED, crashes=2), "failed"),
        (verdict(Ending.LOST), "crashed"),
        (verdict(Ending.RELEASED), None),
        (verdict(Ending.PUT_OFF), None),
    ],
)
def test_an_outcome_counts_as_what_it_is_in_the_database(tally: Tally, given: Verdict, outcome: str | None) -> None:
    tally.note_settled([given, given])
    assert tally.finished == ({} if outcome is None else {(*KEY, outcome): 2})
    assert tally.dead_letters == ({KEY: 2} if outcome == "failed" else {})
    assert not tally.timeouts


def test_a_timeout_is_counted_beside_what_follows_from_it(tally: Tally) -> None:
    tally.note_settled([verdict(Ending.TIMED_OUT), verdict(Ending.TIMED_OUT, attempt=4), verdict(Ending.CANCELLED)])
    assert tally.timeouts == {KEY: 2}
    assert tally.finished == {(*KEY, "retried"): 1, (*KEY, "failed"): 1, (*KEY, "cancelled"): 1}


def test_what_was_to_wait_and_is_cancelled_instead_counts_as_that(tally: Tally) -> None:
    given = verdict(Ending.RELEASED)
    given.status = Status.CANCELLED
    tally.note_settled([given])
    assert tally.finished == {(*KEY, "cancelled"): 1}


def test_of_a_child_that_dies_the_starts_that_it_did_not_tell_are_counted(tally: Tally) -> None:
    tally.note_claimed([execution()] * 20)
    tally.note_timings(7, [Timings("default", "app.f", 10, 6)])
    tally.note_timings(8, [Timings("default", "app.f", 1, 0)])
    # Of the four that it told of as begun and not ended, and three more.
    tally.note_end(7, [execution()] * 7)
    assert tally.started == {KEY: 14}
    # Nothing more is known of it, nor was ever of this one.
    tally.note_end(7, [execution()])
    tally.note_end(9, [])
    assert tally.started == {KEY: 15}


def test_a_child_that_lies_makes_no_names_and_takes_nothing_back(tally: Tally) -> None:
    tally.note_claimed([execution()] * 5)
    lies = [Timings(f"queue_{number}", "app.f", 1, 1, {0: 1}, 0.5) for number in range(2000)]
    tally.note_timings(7, [*lies, Timings("default", "app.f", 0, 1 << 32)])
    assert tally.started == Counter({(OTHER, OTHER): 2000, KEY: 0})
    assert tally.waits.keys() == {(OTHER, OTHER)}
    tally.note_end(7, [execution()] * 2)
    assert tally.started[KEY] == 2
    tally.note_claimed([of("app.g")])
    assert tally.claimed["default", "app.g"] == 1


def test_histograms_add_up(tally: Tally) -> None:
    tally.note_claimed([execution()] * 5)
    tally.note_timings(1, [Timings("default", "app.f", 3, 2, {0: 2, len(BOUNDS_S): 1}, 4000.5, {3: 2}, 0.05)])
    tally.note_timings(2, [Timings("default", "app.f", 1, 1, {0: 1}, 0.25, {3: 1}, 0.02)])
    waits, runs = tally.waits[KEY], tally.runs[KEY]
    assert waits.counts == [3, *[0] * (len(Histogram.BOUNDS) - 1), 1]
    assert waits.sum == 4000.75
    assert (runs.counts[3], sum(runs.counts)) == (3, 3)
    assert runs.sum == pytest.approx(0.07)
