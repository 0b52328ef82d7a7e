"""What follows from an ending: retries, crashes, dead letters."""

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from currant.executions import TRANSITIONS, WAIT_S_MAX, Ending, RetryPolicy, Status, Verdict, encode_failure, judge
from tests.unit.support import execution

POLICY = RetryPolicy(base_s=1.0, max_s=60.0, crashes_max=3)


def half() -> float:
    return 0.5


def verdict(ending: Ending, *, attempt: int = 1, crashes: int = 0, max_retries: int = 3) -> Verdict:
    of = execution(attempt=attempt, crashes=crashes, max_retries=max_retries)
    return judge(of, ending, b'{"type":"E"}', POLICY, half)


def test_a_failure_with_retries_left_is_scheduled_and_keeps_its_error() -> None:
    given_ = verdict(Ending.FAILED, attempt=1, max_retries=1)
    assert (given_.status, given_.error, given_.delay_s) == (Status.SCHEDULED, b'{"type":"E"}', 0.75)
    assert (given_.uncount, given_.crash, given_.reason) == (0, 0, None)


def test_the_last_failure_is_final_and_says_why() -> None:
    given_ = verdict(Ending.FAILED, attempt=2, max_retries=1)
    assert (given_.status, given_.error, given_.delay_s) == (Status.FAILED, b'{"type":"E"}', None)
    assert given_.reason == "failed in its last attempt (2 of 2)"


def test_what_can_never_succeed_is_not_retried() -> None:
    given_ = verdict(Ending.REJECTED, max_retries=100)
    assert (given_.status, given_.reason) == (Status.FAILED, "cannot succeed: not retried")


def test_what_is_released_is_pending_again_and_its_attempt_does_not_count() -> None:
    given_ = judge(execution(attempt=7, max_retries=0), Ending.RELEASED, None, POLICY, half)
    assert (given_.status, given_.uncount, given_.crash, given_.error) == (Status.PENDING, 1, 0, None)


def test_a_crash_counts_as_such_and_is_retried_at_once() -> None:
    given_ = verdict(Ending.CRASHED, max_retries=0)
    assert (given_.status, given_.crash, given_.uncount, given_.delay_s) == (Status.PENDING, 1, 0, None)


def test_the_last_crash_that_is_allowed_ends_it() -> None:
    assert verdict(Ending.CRASHED, attempt=2, crashes=1).status is Status.PENDING
    given_ = verdict(Ending.CRASHED, attempt=3, crashes=2)
    assert (given_.status, given_.crash, given_.reason) == (Status.FAILED, 1, "crashed 3 times")


def test_a_lost_node_counts_as_a_crash_and_ends_an_execution_only_at_twice_as_many() -> None:
    given_ = verdict(Ending.LOST, attempt=3, crashes=2, max_retries=0)
    assert (given_.status, given_.crash, given_.uncount) == (Status.PENDING, 1, 0)
    assert verdict(Ending.LOST, attempt=5, crashes=4).status is Status.PENDING
    given_ = verdict(Ending.LOST, attempt=6, crashes=5)
    assert (given_.status, given_.crash, given_.reason) == (Status.FAILED, 1, "crashed 6 times")
    # What killed its child, too, has used up what it is allowed.
    assert verdict(Ending.CRASHED, attempt=3, crashes=2).status is Status.FAILED


def told(ending: Ending, delay_s: float | None, *, attempt: int = 1, max_retries: int = 3) -> Verdict:
    of = execution(attempt=attempt, max_retries=max_retries)
    return judge(of, ending, b'{"type":"Retry"}', POLICY, half, delay_s)


def test_a_retry_waits_as_it_was_told_or_as_usual() -> None:
    assert told(Ending.RETRIED, 9.5).delay_s == 9.5
    assert told(Ending.RETRIED, 0.0).delay_s == 0.0
    assert told(Ending.RETRIED, None, attempt=2).delay_s == 1.5
    given_ = told(Ending.RETRIED, 9.5)
    assert (given_.status, given_.uncount, given_.error) == (Status.SCHEDULED, 0, b'{"type":"Retry"}')


def test_a_retry_beyond_the_last_is_a_failure() -> None:
    given_ = told(Ending.RETRIED, 9.5, attempt=4)
    assert (given_.status, given_.delay_s, given_.error) == (Status.FAILED, None, b'{"type":"Retry"}')
    assert given_.reason == "failed in its last attempt (4 of 4)"


def test_a_snooze_is_scheduled_uncounted_whatever_retries_are_left() -> None:
    given_ = judge(execution(attempt=9, max_retries=0), Ending.SNOOZED, None, POLICY, half, 7.0)
    assert (given_.status, given_.delay_s, given_.uncount) == (Status.SCHEDULED, 7.0, 1)
    # The error of a failure before is kept.
    assert (given_.error, given_.reason) == (None, None)
    assert judge(execution(), Ending.SNOOZED, None, POLICY, half, None).delay_s == 0.0


def test_what_is_cancelled_keeps_its_reason_and_is_no_failure() -> None:
    given_ = verdict(Ending.CANCELLED, attempt=4, max_retries=0)
    assert (given_.status, given_.error, given_.reason) == (Status.CANCELLED, b'{"type":"E"}', None)
    assert (given_.delay_s, given_.uncount, given_.crash) == (None, 0, 0)


@pytest.mark.parametrize("ending", [Ending.COMPLETED, Ending.UNKNOWN])
def test_other_endings_have_no_verdict(ending: Ending) -> None:
    with pytest.raises(AssertionError):
        verdict(ending)


@given(st.integers(0, 6), st.lists(st.sampled_from([Ending.FAILED, Ending.CRASHED, Ending.RELEASED]), max_size=40))
def test_retries_n_means_at_most_n_plus_one_runs_and_crashes_and_releases_take_none(
    retries: int, endings: list[Ending]
) -> None:
    attempt = crashes = failures = died = 0
    for ending in endings:
        given_ = judge(execution(attempt=attempt + 1, crashes=crashes, max_retries=retries), ending, None, POLICY, half)
        attempt += 1 - given_.uncount
        crashes += given_.crash
        failures += ending is Ending.FAILED
        died += ending is Ending.CRASHED
        assert failures <= retries + 1
        assert died <= POLICY.crashes_max
        ended = failures == retries + 1 or died == POLICY.crashes_max
        assert (given_.status is Status.FAILED) == ended
        assert (given_.reason is not None) == ended
        assert given_.status in TRANSITIONS[Status.RUNNING]
        if ended:
            return


@given(st.floats(0, 1e9), st.floats(0, 1e9), st.integers(1, 2**31), st.floats(0, 1, exclude_max=True))
def test_a_retry_waits_between_half_and_the_whole_of_its_bounded_step(
    base_s: float, max_s: float, runs: int, drawn: float
) -> None:
    delay_s = RetryPolicy(base_s, max_s, 3).delay_s(runs, lambda: drawn)
    assert math.isfinite(delay_s)
    step = min(max_s, base_s * 2 ** min(runs - 1, 60))
    assert step / 2 <= delay_s <= step <= max_s


def test_the_wait_doubles() -> None:
    assert [POLICY.delay_s(runs, lambda: 0.0) for runs in (1, 2, 3, 4)] == [0.5, 1.0, 2.0, 4.0]


def test_a_final_state_is_left_only_by_hand() -> None:
    assert TRANSITIONS[Status.COMPLETED] == frozenset()
    assert set(TRANSITIONS) == set(Status)


@given(st.text(st.characters()), st.text(st.characters()), st.none() | st.text(st.characters()))
def test_an_error_is_always_json_that_jsonb_takes(kind: str, message: str, traceback: str | None) -> None:
    encoded = encode_failure(kind, message, traceback)
    assert b"\\u0000" not in encoded
    encoded.decode()
    assert set(msgspec.json.decode(encoded)) <= {"type", "message", "traceback"}


@pytest.mark.parametrize("ending", [Ending.RETRIED, Ending.SNOOZED])
@pytest.mark.parametrize(
    ("sent", "waits"),
    [(math.nan, 0.0), (math.inf, WAIT_S_MAX), (-math.inf, 0.0), (-1.0, 0.0), (1e300, WAIT_S_MAX), (2.5, 2.5)],
)
def test_a_wait_is_one_that_the_database_can_keep_whatever_a_child_sends(
    ending: Ending, sent: float, waits: float
) -> None:
    assert judge(execution(), ending, None, POLICY, half, sent).delay_s == waits
