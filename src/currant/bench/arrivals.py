"""When each execution is meant to be enqueued, and what it is: given by the seed, and by nothing that happens. Pure.

A latency counts from the intended moment. Where the database holds up an enqueue, those behind it wait as well, and
would have waited in an application: counted from when their enqueue began, the same stall would show in a few of them
only (coordinated omission).
"""

import random
from collections.abc import Iterator, Sequence
from itertools import count

#: Of so many Poisson arrivals in a row the mean is exact: over a run the rate is the one that was asked for.
BLOCK = 1000


def moments(rate_per_s: float, arrivals: str, seed: int) -> Iterator[float]:
    """Yields the intended moments without end, in seconds since the beginning.

    Args:
        arrivals: `even`, at equal distances; or `poisson`, as independent callers come.
    """
    if arrivals == "even":
        return (index / rate_per_s for index in count())
    assert arrivals == "poisson"
    return _poisson(rate_per_s, random.Random(seed))


def deal(shares: Sequence[float], seed: int) -> Iterator[int]:
    """Yields, without end, which of the shares' owners is next: interleaved, each as often as its share says.

    After any number of turns each has had what its share of them is, rounded up or down by two at the most. The seed
    says where in the pattern it begins.
    """
    if len(shares) == 1:
        while True:
            yield 0
    start = random.Random(seed)
    owed = [start.random() for _ in shares]
    indices = range(len(shares))
    while True:
        for index in indices:
            owed[index] += shares[index]
        first = max(indices, key=owed.__getitem__)
        owed[first] -= 1
        yield first


def _poisson(rate_per_s: float, source: random.Random) -> Iterator[float]:
    begin_s, block_s = 0.0, BLOCK / rate_per_s
    while True:
        gaps = [source.expovariate(1.0) for _ in range(BLOCK)]
        scale = block_s / sum(gaps)
        moment_s = begin_s
        for gap in gaps:
            yield moment_s
            moment_s += gap * scale
        begin_s += block_s
