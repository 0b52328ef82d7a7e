"""The search for the knee, over made-up pipelines."""

from collections.abc import Callable

import pytest

from currant.bench.modes.knee import HALVINGS, PRECISION, Search

LIMIT_MS = 10.0


def search(
    p99_ms: Callable[[float], float], *, first_per_s: float = 500.0, highest_per_s: float = 1e6
) -> tuple[Search, list[float]]:
    """Runs a search to its end; returns it and the rates that were tried."""
    found, tried = Search(first_per_s, highest_per_s), []
    while (rate_per_s := found.next_per_s) is not None:
        tried.append(rate_per_s)
        found.note(kept=p99_ms(rate_per_s) <= LIMIT_MS)
        assert len(tried) < 100, "it does not end"
    return found, tried


def queueing(capacity_per_s: float, service_ms: float) -> Callable[[float], float]:
    """The p99 of a queue: little at first, then without bound as the rate nears the capacity."""
    return lambda rate_per_s: service_ms / (1 - rate_per_s / capacity_per_s) if rate_per_s < capacity_per_s else 1e9


@pytest.mark.parametrize("capacity_per_s", [640.0, 1_000.0, 4_321.0, 30_000.0, 700_000.0])
@pytest.mark.parametrize("service_ms", [0.5, 2.0, 9.0])
def test_the_knee_is_found_within_the_precision(capacity_per_s: float, service_ms: float) -> None:
    found, _ = search(queueing(capacity_per_s, service_ms))
    knee_per_s = capacity_per_s * (1 - service_ms / LIMIT_MS)
    assert found.kept_per_s is not None
    assert found.broken_per_s is not None
    assert found.kept_per_s <= knee_per_s <= found.broken_per_s <= PRECISION * found.kept_per_s


def test_it_doubles_until_a_rate_breaks_and_then_bisects() -> None:
    _, tried = search(lambda rate_per_s: 1.0 if rate_per_s <= 3_000 else 99.0)
    assert tried[:5] == [500, 1_000, 2_000, 4_000, 4_000]
    assert all(2_000 < rate_per_s < 4_000 for rate_per_s in tried[5:])
    assert len(tried) < 15


def test_one_bad_moment_does_not_break_a_rate() -> None:
    bad_moments = {1_000.0, 2_000.0}

    def p99_ms(rate_per_s: float) -> float:
        if rate_per_s in bad_moments:
            bad_moments.remove(rate_per_s)
            return 99.0
        return 1.0 if rate_per_s <= 5_000 else 99.0

    found, tried = search(p99_ms)
    assert not bad_moments
    assert tried.count(1_000.0) == tried.count(2_000.0) == 2
    assert found.kept_per_s is not None
    assert 4_000 <= found.kept_per_s <= 5_000


def test_a_first_rate_that_breaks_is_halved_until_one_is_kept() -> None:
    found, tried = search(lambda rate_per_s: 1.0 if rate_per_s <= 70 else 99.0)
    assert tried[:8] == [500, 500, 250, 250, 125, 125, 62.5, pytest.approx(88.4, abs=0.1)]
    assert len(tried) < 15
    assert found.kept_per_s is not None
    assert found.kept_per_s <= 70


def test_without_a_rate_that_is_kept_there_is_no_knee() -> None:
    found, tried = search(lambda _: 99.0)
    assert found.kept_per_s is None
    assert len(tried) == 2 * (1 + HALVINGS)


def test_nothing_above_the_highest_rate_is_tried() -> None:
    found, tried = search(lambda _: 1.0, highest_per_s=3_000)
    assert tried == [500, 1_000, 2_000, 3_000]
    assert (found.kept_per_s, found.broken_per_s) == (3_000, None)
