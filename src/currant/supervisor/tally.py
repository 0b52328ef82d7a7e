"""What became of the node's executions, by queue and function: what the metrics are made of. Pure: no I/O.

Theory of operation. Counted is in batches, by one `Counter` for each: what was claimed when it was claimed, and an
outcome when it is in the database, so that the counts agree with it to the last execution. Starts, waits and run times
are the children's to measure: these add up, and send the sums with the frames that they send anyway. What had begun in
a child that died without saying so is known from the memory that it shared with the supervisor.

Names come from rows, and may be any number. Only functions that the node's modules register are counted by their own
names, and only so many pairs of queue and function; what is beyond that counts as "other".
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import ClassVar

from currant.protocol.timings import BOUNDS_S

#: A queue and a function.
Key = tuple[str, str]
OTHER = "other"
#: So many pairs are told apart.
KEYS_MAX = 1000
#: What an outcome is counted as.
COMPLETED, FAILED, RETRIED = "completed", "failed", "retried"
CANCELLED, SNOOZED, CRASHED = "cancelled", "snoozed", "crashed"
OUTCOMES = (COMPLETED, FAILED, RETRIED, CANCELLED, SNOOZED, CRASHED)


class Histogram:
    """How many times were how long."""

    #: The upper bounds of the buckets, in seconds; one more bucket holds what is above the last.
    BOUNDS: ClassVar[tuple[float, ...]] = BOUNDS_S
    __slots__ = ("counts", "sum")

    def __init__(self) -> None:
        #: By bucket, not cumulative.
        self.counts: list[int] = [0] * (len(BOUNDS_S) + 1)
        #: In seconds.
        self.sum: float = 0.0

    def add(self, buckets: Mapping[int, int], seconds: float) -> None:
        """Adds counts by bucket, and the sum of their times."""
        for bucket, count in buckets.items():
            self.counts[bucket] += count
        self.sum += seconds


class Tally:
    """The counts since the node's start."""

    def __init__(self) -> None:
        self.claimed: Counter[Key] = Counter()
        self.started: Counter[Key] = Counter()
        #: By queue, function and outcome: one of OUTCOMES.
        self.finished: Counter[tuple[str, str, str]] = Counter()
        self.timeouts: Counter[Key] = Counter()
        self.dead_letters: Counter[Key] = Counter()
        #: From when an execution was due until it started, and from then until it came to an end.
        self.waits: dict[Key, Histogram] = {}
        self.runs: dict[Key, Histogram] = {}
        self._functions: set[str] = set()
        #: The pairs that have a label of their own.
        self._keys: set[Key] = set()

    def known(self, functions: Iterable[str]) -> None:
        """From now on these functions are counted by their names, also."""
        self._functions.update(functions)
