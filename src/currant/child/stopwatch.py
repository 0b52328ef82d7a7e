"""How long executions waited and ran: taken down for each, and added up by function when it is to be sent."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable

from currant.protocol.timings import BOUNDS_S, SECONDS_MAX, Timings

#: Names come from rows, and may be any number: beyond so many pairs of them all are forgotten.
_PAIRS_MAX = 1000


class Times:
    """Of one function in one queue, since they were taken last: in seconds, one by one."""

    __slots__ = ("_clock", "_function", "_is_touched", "_queue", "_runs", "_touch", "_undated", "_waits")

    def __init__(self, queue: str, function: str, clock: Callable[[], float], touch: "Callable[[Times], None]") -> None:
        """`touch`: told that there is something to take."""
        self._queue, self._function = queue, function
        self._clock, self._touch = clock, touch
        self._is_touched = False
        self._waits: list[float] = []
        #: How many began of which it is not known when they were due.
        self._undated = 0
        self._runs: list[float] = []

    def begin(self, due_s: float) -> float:
        """Notes that an execution begins, which was due at that moment; returns what `end` is to be given."""
        now = self._clock()
        if due_s:
            self._waits.append(now - due_s)
        else:
            self._undated += 1
        if not self._is_touched:
            self._is_touched = True
            self._touch(self)
        return now

    def end(self, began_s: float) -> None:
        """Notes that it has ended."""
        self._runs.append(self._clock() - began_s)
        if not self._is_touched:
            self._is_touched = True
            self._touch(self)

    def take(self) -> Timings:
        """Returns what has come together since the last call."""
        waits, runs = self._waits, self._runs
        began = len(waits) + self._undated
        self._waits, self._runs, self._undated, self._is_touched = [], [], 0, False
        return Timings(self._queue, self._function, began, len(runs), *_buckets(waits), *_buckets(runs))


class Stopwatch:
    """Measures the executions of a child."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._times: dict[tuple[str, str], Times] = {}
        self._touched: list[Times] = []

    def of(self, queue: str, function: str) -> Times:
        """Returns where the times of these executions are noted, now and later."""
        key = queue, function
        times = self._times.get(key)
        if times is None:
            if len(self._times) >= _PAIRS_MAX:
                self._times.clear()
            times = self._times[key] = Times(queue, function, self._clock, self._note)
        return times

    def take(self) -> list[Timings]:
        """Returns what has come together since the last call."""
        touched, self._touched = self._touched, []
        return [times.take() for times in touched]

    def _note(self, times: Times) -> None:
        self._touched.append(times)


def _buckets(times: list[float]) -> tuple[dict[int, int], float]:
    """Returns how many of the times are in each bucket that any is in, and their sum."""
    # As many steps as there are buckets with something in them, mostly one or two, however many times there are.
    times.sort()
    counts: dict[int, int] = {}
    at, end = 0, len(times)
    while at < end:
        bucket = bisect_left(BOUNDS_S, times[at])
        behind = end if bucket == len(BOUNDS_S) else bisect_right(times, BOUNDS_S[bucket], at)
        # One that is no number, after all, is none that others can be sorted by.
        behind = max(behind, at + 1)
        counts[bucket] = counts.get(bucket, 0) + behind - at
        at = behind
    # When it was due stands in the row, and may be any moment.
    return counts, min(max(0.0, sum(times)), SECONDS_MAX)
