"""What the soak makes of its looks."""

import pytest

from benchmarks.soak import outcome
from benchmarks.soak.course import Course, Look
from benchmarks.soak.outcome import Chunk, Stretch


def test_a_chunks_end_is_found_between_two_looks() -> None:
    course = Course(100, Look(10.0, 0))
    assert course.note(Look(11.0, 50)) == []
    assert course.note(Look(12.0, 150)) == [pytest.approx(100 / 1.5)]
    assert course.note(Look(12.5, 200)) == [pytest.approx(100.0)]


def test_one_look_may_end_several_chunks() -> None:
    course = Course(100, Look(0.0, 0))
    assert course.note(Look(3.0, 300)) == pytest.approx([100.0, 100.0, 100.0])


def test_what_was_done_before_belongs_to_no_chunk() -> None:
    course = Course(100, Look(5.0, 1_000))
    assert course.note(Look(6.0, 1_100)) == [pytest.approx(100.0)]


def chunk(upto: int, per_s: float) -> Chunk:
    return Chunk(upto, per_s, {"executions": 10 * upto}, upto, 0, 0)


def stretch(name: str, cost_us: float) -> Stretch:
    return Stretch(name, 10.0, 100.0, 10, 1_000, cost_us, 0)


@pytest.mark.parametrize(("last_per_s", "holds"), [(900.0, True), (899.0, False), (2_000.0, True)])
def test_the_last_chunk_is_set_beside_the_first(last_per_s: float, holds: bool) -> None:
    check = outcome.pace_kept([chunk(100, 1_000.0), chunk(200, 10.0), chunk(300, last_per_s)])
    assert check.ok == holds
    assert f"{last_per_s / 1_000:.2f} ×" in check.text


def test_the_dearest_stretch_is_set_beside_the_one_before_the_transaction() -> None:
    stretches = [stretch("before", 10.0), stretch("open, 0 to 10 s", 12.0), stretch("after", 31.0)]
    check = outcome.claims_bounded(stretches)
    assert not check.ok
    assert "(after), 3.10 ×" in check.text
    assert outcome.claims_bounded(stretches[:2]).ok
