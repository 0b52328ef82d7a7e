"""From samples to a course: pure."""

import pytest

from currant.bench.samples import PARTS_MAX, PlaceUse, Sample, at, part_s, series


def sample(at_s: float, completed: float, *, places: dict[int, PlaceUse] | None = None, in_flight: float = 0) -> Sample:
    return Sample(at_s, completed, 0, in_flight, completed / 10, places or {}, 0.0, 0.0)


def test_between_two_samples_everything_is_on_the_line_between_them() -> None:
    before = sample(10.0, 100, places={1: PlaceUse(100, 1.0, 2.0)})
    after = sample(12.0, 300, places={1: PlaceUse(300, 2.0, 4.0), 2: PlaceUse(8, 1.0, 1.0)}, in_flight=8)
    found = at([before, after], 10.5)
    assert (found.completed, found.in_flight, found.statements) == (150, 2, 15)
    assert found.places == {1: PlaceUse(150, 1.25, 2.5), 2: PlaceUse(2, 0.25, 0.25)}


def test_before_the_first_and_after_the_last_sample_nothing_changes() -> None:
    both = [sample(10.0, 100), sample(12.0, 300)]
    assert at(both, 0.0) is both[0]
    assert at(both, 99.0) is both[1]


def test_the_course_of_a_run_has_parts_of_equal_length_and_loses_nothing() -> None:
    samples = [
        sample(10.0, 0, places={0: PlaceUse()}),
        sample(10.7, 70, places={0: PlaceUse(70, 0.7, 0.7)}),
        sample(12.0, 200, places={0: PlaceUse(200, 0.7, 2.0)}),
    ]
    found = series(samples, 10.0, 12.0, 0.5)
    assert found.at_s == [0.5, 1.0, 1.5, 2.0]
    assert found.completed_per_s == pytest.approx([100] * 4)
    assert sum(found.statements_per_s) * 0.5 == pytest.approx(20)
    assert found.utilization[0] == pytest.approx([1.0, 0.4, 0.0, 0.0])


@pytest.mark.parametrize("seconds", [0.0, 0.1, 30.0, 31.0, 60.0, 3600.0, 1e7])
def test_a_run_of_any_length_has_few_parts(seconds: float) -> None:
    assert seconds / part_s(seconds) <= PARTS_MAX


def test_a_place_that_came_later_has_done_nothing_before() -> None:
    samples = [sample(0.0, 0), sample(1.0, 10, places={7: PlaceUse(10, 0.5, 1.0)})]
    assert series(samples, 0.0, 1.0, 0.5).utilization == {7: [0.5, 0.5]}
