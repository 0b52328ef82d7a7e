"""When the first job was done and when the last, seen from outside, in the same way for all.

Counting what is left scans a table, which costs what is measured. So of a large backlog the count is exact only at
first, until a job is done, and at the end; in between a guess from a part of the table tells when the end is near.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

from benchmarks.peers.errors import PeersError

#: Between two looks: at first, and at the least and most.
FIRST_S, LOOK_MIN_S, LOOK_MAX_S = 0.01, 0.005, 1.0
#: A look comes when this part of the expected rest has passed.
PART = 0.6
#: Smaller backlogs are always counted: that is cheap, and a guess from few pages is worth nothing.
GUESS_JOBS_MIN = 100_000
#: Exact counts from here on: a guess is coarse.
EXACT_SHARE = 0.03
STALL_S = 120.0


class Span(NamedTuple):
    """So many jobs were done in so many seconds: those before the first look that saw one are in neither."""

    jobs: int
    seconds: float

    @property
    def per_s(self) -> float:
        return self.jobs / self.seconds if self.seconds > 0 else 0.0


def until_done(
    jobs: int,
    left: Callable[[bool], int],
    check: Callable[[], None],
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Span:
    """Returns when no job is left.

    Args:
        left: returns how many are left; roughly if its argument is true.
        check: raises if a worker has died.

    Raises:
        PeersError: nothing was done for 120 s.
    """
    began_s = clock()
    while True:
        first_s, seen = clock(), left(False)
        if seen < jobs:
            break
        check()
        if clock() - began_s > STALL_S:
            raise PeersError(f"no job was done within {STALL_S:g} s")
        sleep(FIRST_S)
    first_left = seen
    # Of exact looks and of guesses: one must not be held against the other.
    lowest = {True: seen, False: seen}
    moved_s = last_s = first_s
    while seen > 0:
        rate = (first_left - seen) / (last_s - first_s) if last_s > first_s else 0.0
        sleep(min(LOOK_MAX_S, max(LOOK_MIN_S, PART * seen / rate)) if rate > 0 else LOOK_MIN_S * 10)
        check()
        stalled = clock() - moved_s > STALL_S
        guess = jobs >= GUESS_JOBS_MIN and seen > jobs * EXACT_SHARE and not stalled
        last_s, seen = clock(), left(guess)
        if guess:
            seen = max(1, seen)  # only an exact look may say that all is done
        if seen < lowest[guess]:
            lowest[guess], moved_s = seen, last_s
        elif stalled:
            raise PeersError(f"nothing was done for {STALL_S:g} s, with {seen:,} of {jobs:,} jobs left")
    return Span(first_left, last_s - first_s)
