"""The exact test, against tables that have been printed for decades, and against counting every choice."""

import itertools
import math
import random

import pytest

from currant.bench.mann_whitney import p_value, p_value_least


def u_of(a: list[float], b: list[float]) -> float:
    return sum((x > y) + (x == y) / 2 for x, y in itertools.product(a, b))


def samples(a: int, b: int, u: int) -> tuple[list[float], list[float]]:
    """Returns two samples without equal values, in which the first is above the second in just `u` pairs."""
    below = [float(2 * place) for place in range(b)]
    steps = [min(b, max(0, u - b * place)) for place in range(a)]
    # Each of the first sample's values is above so many of the second's; a little more sets equal ones apart.
    return [2 * step - 1 + place / (2 * a + 2) for place, step in enumerate(steps)], below


# Mann and Whitney's own table of the probability of a U at most so large, their Table I, to three digits.
@pytest.mark.parametrize(
    ("a", "b", "at_most"),
    [
        (3, 3, [0.050, 0.100, 0.200, 0.350]),
        (4, 4, [0.014, 0.029, 0.057, 0.100, 0.171, 0.243, 0.343]),
        (3, 5, [0.018, 0.036, 0.071, 0.125, 0.196, 0.286, 0.393]),
        (5, 5, [0.004, 0.008, 0.016, 0.028, 0.048, 0.075, 0.111, 0.155, 0.210, 0.274, 0.345, 0.421]),
    ],
)
def test_probabilities_are_those_of_the_printed_table(a: int, b: int, at_most: list[float]) -> None:
    for u, one_sided in enumerate(at_most):
        one, other = samples(a, b, u)
        assert u_of(one, other) == u
        assert p_value(one, other) == pytest.approx(2 * one_sided, abs=0.0011)


# The greatest U that is significant at 5 %, two-sided, as every textbook's table has it.
@pytest.mark.parametrize(
    ("a", "b", "critical"),
    [
        *[(4, 4, 0), (4, 5, 1), (3, 5, 0), (2, 8, 0), (5, 5, 2), (5, 8, 6), (6, 6, 5), (6, 10, 11), (7, 7, 8)],
        *[(8, 8, 13), (10, 10, 23), (9, 12, 26), (13, 16, 59), (15, 15, 64), (20, 20, 127)],
    ],
)
def test_critical_values_are_those_of_the_textbooks(a: int, b: int, critical: int) -> None:
    assert p_value(*samples(a, b, critical)) <= 0.05
    assert p_value(*samples(a, b, critical + 1)) > 0.05


def test_a_mirrored_question_has_the_same_answer() -> None:
    a, b = samples(5, 7, 4)
    assert p_value(a, b) == p_value(b, a)
    assert p_value([-value for value in a], [-value for value in b]) == p_value(a, b)


def test_equal_values_are_counted_and_not_approximated() -> None:
    chance = random.Random(7)
    for _ in range(20):
        a, b = ([float(chance.randrange(4)) for _ in range(count)] for count in (4, 5))
        everything = [*a, *b]
        far, choices, mean = abs(u_of(a, b) - 10), 0, 4 * 5 / 2
        for places in itertools.combinations(range(9), 4):
            one = [everything[place] for place in places]
            other = [everything[place] for place in range(9) if place not in places]
            choices += abs(u_of(one, other) - mean) >= far - 1e-9
        assert p_value(a, b) == pytest.approx(choices / math.comb(9, 4))


def test_samples_of_one_value_throughout_do_not_differ() -> None:
    assert p_value([1.0] * 5, [1.0] * 5) == 1


def test_the_least_is_that_of_samples_that_do_not_overlap() -> None:
    for a, b in ((1, 1), (3, 3), (4, 4), (3, 5), (7, 2)):
        assert p_value_least(a, b) == pytest.approx(p_value(*samples(a, b, 0)))


def test_large_samples_are_counted_as_well() -> None:
    assert p_value(*samples(40, 40, 0)) == pytest.approx(2 / math.comb(80, 40))


def test_an_empty_sample_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="each sample must have a value"):
        p_value([], [1.0])
