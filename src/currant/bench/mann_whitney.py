"""The exact Mann–Whitney test: could two samples of these sizes differ so much by chance? Pure.

Under the hypothesis that both are of one distribution, each choice of as many ranks as the one sample has is equally
likely to be that sample's. How many choices have a given sum is counted, not approximated: H. B. Mann and
D. R. Whitney, "On a test of whether one of two random variables is stochastically larger than the other", Annals of
Mathematical Statistics 18 (1947), 50–60. Equal values share the mean of their ranks, and the choices are counted with
these: B. Streitberg and J. Röhmel, "Exact distributions for permutation and rank tests", Statistical Software
Newsletter 12 (1986), 10–17.
"""

import math
from collections.abc import Sequence


def p_value(a: Sequence[float], b: Sequence[float]) -> float:
    """Returns the two-sided p-value: the share of all choices whose sum of ranks is at least as far from its mean.

    Raises:
        ValueError: a sample is empty.
    """
    if not a or not b:
        raise ValueError("each sample must have a value")
    few, many = sorted((list(a), list(b)), key=len)
    ranks = _doubled_ranks([*few, *many])
    mean = len(few) * (len(ranks) + 1)
    far = abs(sum(ranks[: len(few)]) - mean)
    ways = _ways(ranks, len(few))
    return sum(count for total, count in enumerate(ways) if abs(total - mean) >= far) / sum(ways)


def p_value_least(a: int, b: int) -> float:
    """Returns the least p-value that samples of these sizes can have: of two that do not overlap."""
    return min(1.0, 2 / math.comb(a + b, a))


def _doubled_ranks(values: Sequence[float]) -> list[int]:
    """Returns twice each value's rank, which is an integer also where equal values share a mean."""
    ordered = sorted(values)
    first = {value: place for place, value in reversed(list(enumerate(ordered)))}
    return [2 * first[value] + ordered.count(value) + 1 for value in values]


def _ways(ranks: Sequence[int], chosen: int) -> list[int]:
    """Returns at each sum how many choices of so many ranks have it."""
    # The counts of all sums are the digits of one integer, so that adding a rank to every sum is a shift; no count is
    # larger than that of all choices.
    width = (math.comb(len(ranks), chosen).bit_length() + 7) // 8
    by_size = [1] + [0] * chosen
    for rank in ranks:
        for size in range(chosen, 0, -1):
            by_size[size] += by_size[size - 1] << (rank * width * 8)
    digits = by_size[chosen].to_bytes((sum(ranks) + 1) * width, "little")
    return [int.from_bytes(digits[at : at + width], "little") for at in range(0, len(digits), width)]
