"""What became of the node's executions, by queue and function: what the metrics are made of. Pure: no I/O.

Theory of operation. All is counted in batches, with one `Counter` for each: what was claimed when it was claimed, an
outcome when it is in the database, so that the counts agree with it to the last execution. Starts, waits and run times
are the children's to measure: they add up, and send the sums with the frames that they send anyway. What had begun in a
child that died without saying so is known from the memory that it shared with the supervisor.

Names come from rows, and may be any number. Only functions that the node's modules register are counted by their own
names, and only so many pairs of queue and function; what is beyond that counts as "other".
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import ClassVar

from currant.executions import Ending, Execution, Status, Verdict
from currant.protocol.timings import BOUNDS_S, Timings

#: A queue and a function.
Key = tuple[str, str]
OTHER = "other"
_OTHERS = OTHER, OTHER
#: So many pairs are told apart, (OTHER, OTHER) among them.
KEYS_MAX = 1000
#: What an outcome is counted as.
COMPLETED, FAILED, RETRIED = "completed", "failed", "retried"
CANCELLED, SNOOZED, CRASHED = "cancelled", "snoozed", "crashed"
OUTCOMES = (COMPLETED, FAILED, RETRIED, CANCELLED, SNOOZED, CRASHED)
_ENDED = {Status.FAILED: FAILED, Status.CANCELLED: CANCELLED}
#: By how it ended, of what waits again. What is missing was given back: that is no outcome.
_WAITS = {
    Ending.FAILED: RETRIED,
    Ending.TIMED_OUT: RETRIED,
    Ending.RETRIED: RETRIED,
    Ending.SNOOZED: SNOOZED,
    Ending.CRASHED: CRASHED,
    Ending.LOST: CRASHED,
}


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
        #: Those that are told apart.
        self._keys: set[Key] = {_OTHERS}
        #: Of each child that has sent timings, how many of its executions have begun, by its word, and not ended.
        self._open: dict[int, Counter[Key]] = {}

    def known(self, functions: Iterable[str]) -> None:
        """From now on these functions, too, are counted by their own names."""
        self._functions.update(functions)

    def note_claimed(self, executions: list[Execution]) -> None:
        """Takes what was claimed."""
        for key, count in self._count(executions).items():
            self.claimed[key] += count

    def note_completed(self, executions: list[Execution]) -> None:
        """Takes what has completed, by the database."""
        for key, count in self._count(executions).items():
            self.finished[*key, COMPLETED] += count

    def note_settled(self, verdicts: list[Verdict]) -> None:
        """Takes what did not complete, when that is in the database."""
        found = Counter([(of.execution.queue, of.execution.function, of.status, of.ending) for of in verdicts])
        for (queue, function, status, ending), count in found.items():
            outcome = _ENDED.get(status) or _WAITS.get(ending)
            if outcome is None:
                continue
            key = self._key(queue, function)
            self.finished[*key, outcome] += count
            if ending is Ending.TIMED_OUT:
                self.timeouts[key] += count
            if outcome == FAILED:
                # The same statement has written them.
                self.dead_letters[key] += count

    def note_timings(self, child: int, timings: list[Timings]) -> None:
        """Takes a child's word on what began and ended in it."""
        if not timings:
            return
        of = self._open.get(child)
        if of is None:
            of = self._open[child] = Counter()
        for each in timings:
            key = each.queue, each.function
            if key not in self.claimed:
                # Of no name of its own; or none of ours, for user code can write to its child's socket.
                key = (each.queue, OTHER) if (each.queue, OTHER) in self.claimed else _OTHERS
            self.started[key] += each.began
            of[key] += each.began - each.ended
            if each.waits:
                _histogram(self.waits, key).add(each.waits, each.waits_s)
            if each.runs:
                _histogram(self.runs, key).add(each.runs, each.runs_s)

    def note_end(self, child: int, started: list[Execution]) -> None:
        """A child is gone that ran these: it may not have said yet that they began."""
        told = self._open.pop(child, Counter())
        for key, count in self._count(started).items():
            self.started[key] += max(0, count - max(0, told[key]))

    def _count(self, executions: list[Execution]) -> Mapping[Key, int]:
        found = _by_job(executions)
        if found.keys() <= self._keys:
            return found
        counts: Counter[Key] = Counter()
        for (queue, function), count in found.items():
            counts[self._key(queue, function)] += count
        return counts

    def _key(self, queue: str, function: str) -> Key:
        """Returns what these are counted as."""
        key = queue, function
        if key in self._keys:
            return key
        if function not in self._functions:
            key = queue, OTHER
            if key in self._keys:
                return key
        if len(self._keys) >= KEYS_MAX:
            return _OTHERS
        self._keys.add(key)
        return key


def _by_job(executions: list[Execution]) -> Mapping[Key, int]:
    # The one thing here that every execution pays for. Most batches are of one function: to see so costs an eighth of
    # counting them.
    if not executions:
        return {}
    queue, function = executions[0].queue, executions[0].function
    for each in executions:
        if each.function != function or each.queue != queue:
            return Counter([(each.queue, each.function) for each in executions])
    return {(queue, function): len(executions)}


def _histogram(histograms: dict[Key, Histogram], key: Key) -> Histogram:
    found = histograms.get(key)
    if found is None:
        found = histograms[key] = Histogram()
    return found
