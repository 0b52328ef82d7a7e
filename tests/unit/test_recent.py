"""What a supervisor tells of the last errors, and of its functions: bounded, the newest and the busiest first."""

from currant.executions import CANCELLED, Ending, RetryPolicy, Verdict, encode_failure, judge
from currant.supervisor.functions import functions_of
from currant.supervisor.recent import ERRORS_MAX, RecentErrors
from currant.supervisor.tally import Histogram, Tally
from tests.unit.support import execution


def verdict(id: str, ending: Ending, error: bytes | None) -> Verdict:
    return judge(execution(id), ending, error, RetryPolicy(1.0, 1.0, 3), lambda: 0.5)


def failed(number: int) -> Verdict:
    return verdict(f"job_{number}", Ending.REJECTED, encode_failure("ValueError", f"number {number}", "Traceback"))


def test_the_last_errors_are_kept_with_their_ages_the_newest_first() -> None:
    now = 100.0
    recent = RecentErrors(lambda: now)
    recent.note([failed(number) for number in range(3 * ERRORS_MAX)])
    now = 107.0
    recent.note([failed(1000), verdict("job_r", Ending.FAILED, b"no json")])
    newest = recent.newest()
    assert len(newest) == ERRORS_MAX
    assert [(each.execution, each.age_s) for each in newest[:3]] == [
        ("job_r", 0.0),
        ("job_1000", 0.0),
        (f"job_{3 * ERRORS_MAX - 1}", 7.0),
    ]
    assert (newest[0].type, newest[0].reason) == ("unknown", None)
    assert (newest[1].type, newest[1].message) == ("ValueError", "number 1000")
    assert newest[1].reason == "cannot succeed: not retried"


def test_what_was_given_back_or_cancelled_is_no_error() -> None:
    recent = RecentErrors(lambda: 0.0)
    recent.note([verdict("a", Ending.RELEASED, None), verdict("b", Ending.CANCELLED, CANCELLED)])
    assert recent.newest() == []


def test_functions_are_told_with_their_outcomes_the_busiest_first() -> None:
    tally = Tally()
    tally.known(["app.f", "app.g"])
    tally.claimed["q", "app.f"] = 3
    tally.finished["q", "app.f", "completed"] = 2
    tally.finished["q", "app.f", "failed"] = 1
    tally.claimed["q", "app.g"] = 1
    runs = tally.runs["q", "app.g"] = Histogram()
    runs.add({2: 1}, 5.0)
    busiest, other = functions_of(tally)
    assert (busiest.function, busiest.runs, busiest.runs_s, busiest.finished) == ("app.g", 1, 5.0, {})
    assert (other.function, other.claimed, other.runs) == ("app.f", 3, 0)
    assert other.finished == {"completed": 2, "failed": 1}
    assert sum(busiest.run_buckets) == 1
