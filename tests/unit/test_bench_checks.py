"""What makes a bench fail, and what repetitions come to: pure."""

import pytest

from currant.bench.checks import every_execution_once, raise_failed, rate_held
from currant.bench.plan import BenchFailed
from currant.bench.repeats import merge
from currant.bench.results import Check, Document, Section
from tests.unit.bench_documents import environment


@pytest.mark.parametrize(
    ("lost", "doubled", "amiss", "left", "ok"),
    [(0, 0, 0, 0, True), (0, 0, 0, 5, True), (1, 0, 0, 0, False), (0, 1, 0, 0, False), (0, 0, 1, 0, False)],
)
def test_every_execution_must_end_once_and_as_it_was_meant_to(
    lost: int, doubled: int, amiss: int, left: int, ok: bool
) -> None:
    check = every_execution_once(enqueued=1000, lost=lost, doubled=doubled, amiss=amiss, left=left)
    assert check.ok is ok
    assert f"of 1,000 executions {lost} were lost and {doubled} were run more often" in check.text
    assert ("were left when the time was over" in check.text) is bool(left)


@pytest.mark.parametrize(
    ("reached_per_s", "seconds", "ok"),
    [
        (1000.0, 10.0, True),
        (985.0, 10.0, True),
        (975.0, 10.0, False),
        (1030.0, 10.0, False),
        # A tenth of a second late with the last one.
        (910.0, 1.0, True),
        (900.0, 1.0, False),
        (0.0, 1.0, False),
    ],
)
def test_a_rate_is_held_within_two_percent_or_a_tenth_of_a_second(
    reached_per_s: float, seconds: float, ok: bool
) -> None:
    check = rate_held(asked_per_s=990.0, intended_per_s=1000.0, reached_per_s=reached_per_s, seconds=seconds, late=0.25)
    assert check.ok is ok
    assert "990 enqueues a second were asked for (1,000 by chance)" in check.text
    assert "25.0%" in check.text


def section(first: float, *checks: Check) -> Section:
    return Section(
        mode="steady", question="?", answer=f"{first:g}.", runs=[], figures={"a": first, "b": -first}, checks=[*checks]
    )


def test_of_repetitions_the_figures_are_medians_and_the_rest_is_the_middle_one() -> None:
    bad = Check(name="n", ok=False, text="went wrong")
    merged = merge([section(3.0), section(9.0, bad), section(1.0), section(2.0)])
    assert merged.figures == {"a": 2.5, "b": -2.5}
    assert merged.repeats == [{"a": a, "b": -a} for a in (3.0, 9.0, 1.0, 2.0)]
    assert merged.answer.startswith("2.")
    assert [check.text for check in merged.failed] == ["repetition 2: went wrong"]
    assert merge([section(3.0)]) == section(3.0)


def test_a_failed_check_fails_the_bench_and_says_what_was_found() -> None:
    good, bad = Check(name="n", ok=True, text="fine"), Check(name="n", ok=False, text="1 was lost")
    document = Document(started="now", command=[], environment=environment(), sections=[section(1.0, good)])
    raise_failed(document)
    document.sections.append(section(2.0, bad, bad))
    with pytest.raises(BenchFailed, match=r"^1 was lost$"):
        raise_failed(document)
