"""How long executions waited and ran: taken down for each, and added up by function when it is to be sent."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable

from currant.executions import Execution
from currant.protocol.timings import BOUNDS_S, SECONDS_MAX, Timings


class _Times:
    """Of one function in one queue, since they were taken last: in seconds, one by one."""

    __slots__ = ("began", "function", "queue", "runs", "waits")

    def __init__(self, queue: str, function: str) -> None:
        self.queue, self.function = queue, function
        self.began = 0
        self.waits: list[float] = []
        self.runs: list[float] = []


#: No row's names can be these.
_NOBODYS = _Times("\0", "\0")


class Stopwatch:
    """Measures the executions of a child."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._times: dict[tuple[str, str], _Times] = {}
        #: Those that were wanted last: most often they are wanted again, and to compare two names takes less than to
        #: look them up.
        self._last = _NOBODYS

    def begin(self, execution: Execution) -> float:
        """Notes that an execution begins; returns what `end` is to be given."""
        now = self._clock()
        times = self._last
        if times.function != execution.function or times.queue != execution.queue:
            times = self._find(execution)
        times.began += 1
        if execution.due_s:
            times.waits.append(now - execution.due_s)
        return now

    def end(self, execution: Execution, began_s: float) -> None:
        """Notes that it has ended."""
        times = self._last
        if times.function != execution.function or times.queue != execution.queue:
            times = self._find(execution)
        times.runs.append(self._clock() - began_s)

    def take(self) -> list[Timings]:
        """Returns what has come together since the last call."""
        if not self._times:
            return []
        taken, self._times, self._last = self._times, {}, _NOBODYS
        return [
            Timings(of.queue, of.function, of.began, len(of.runs), *_buckets(of.waits), *_buckets(of.runs))
            for of in taken.values()
        ]

    def _find(self, execution: Execution) -> _Times:
        key = execution.queue, execution.function
        times = self._times.get(key)
        if times is None:
            times = self._times[key] = _Times(*key)
        self._last = times
        return times


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
