"""When executions are meant to be enqueued, and what they are."""

from collections import Counter
from itertools import islice, pairwise

import pytest

from currant.bench import arrivals


def first(count: int, rate_per_s: float, kind: str, seed: int = 0) -> list[float]:
    return list(islice(arrivals.moments(rate_per_s, kind, seed), count))


def test_even_arrivals_are_at_equal_distances_and_do_not_drift() -> None:
    moments = first(30_001, 300.0, "even")
    assert moments[0] == 0
    assert moments[30_000] == 100
    assert all(after - before == pytest.approx(1 / 300) for before, after in pairwise(moments))


def test_poisson_arrivals_keep_the_rate_exactly_and_vary_as_independent_callers_do() -> None:
    moments = first(20_001, 400.0, "poisson")
    assert moments[20_000] == pytest.approx(50)
    gaps = [after - before for before, after in pairwise(moments)]
    assert min(gaps) >= 0
    mean = sum(gaps) / len(gaps)
    variance = sum((gap - mean) ** 2 for gap in gaps) / len(gaps)
    # Of an exponential distribution both are the same.
    assert variance**0.5 == pytest.approx(mean, rel=0.05)
    assert sum(gap > mean for gap in gaps) / len(gaps) == pytest.approx(0.368, abs=0.02)


def test_a_seed_gives_the_same_arrivals_again_and_another_one_others() -> None:
    assert first(5000, 100.0, "poisson", 7) == first(5000, 100.0, "poisson", 7)
    assert first(10, 100.0, "poisson", 7) != first(10, 100.0, "poisson", 8)


@pytest.mark.parametrize("shares", [(1.0,), (0.7, 0.3), (0.5, 0.25, 0.25), (0.98, 0.01, 0.01), (0.1,) * 10])
@pytest.mark.parametrize("seed", [0, 1, 99])
def test_shares_are_held_at_every_moment(shares: tuple[float, ...], seed: int) -> None:
    given: Counter[int] = Counter()
    for turn, which in enumerate(islice(arrivals.deal(shares, seed), 5000), 1):
        given[which] += 1
        assert all(abs(given[index] - turn * share) <= 2 for index, share in enumerate(shares))


def test_shares_are_interleaved() -> None:
    dealt = list(islice(arrivals.deal((0.7, 0.3), 0), 100))
    assert not any(dealt[at : at + 3] == [1, 1, 1] or dealt[at : at + 4] == [0, 0, 0, 0] for at in range(97))
    assert list(islice(arrivals.deal((0.5, 0.5), 0), 100))[::2] in ([0] * 50, [1] * 50)
