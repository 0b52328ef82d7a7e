"""What was seen at a moment of a run, and from two of them what was between. Pure."""

import bisect
import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

from currant.bench.results import Series

#: From these lengths of a part that is chosen which makes at most PARTS_MAX of a run.
PART_S = (0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)
PARTS_MAX = 120


class PlaceUse(NamedTuple):
    """What the children of a place have done so far. A slot-second: one slot for a second, busy or not."""

    executions: float = 0.0
    busy_slot_s: float = 0.0
    slot_s: float = 0.0
    cpu_s: float = 0.0

    def plus(self, other: "PlaceUse") -> "PlaceUse":
        return PlaceUse(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))

    def minus(self, other: "PlaceUse") -> "PlaceUse":
        return PlaceUse(*(mine - theirs for mine, theirs in zip(self, other, strict=True)))

    @property
    def utilization(self) -> float:
        return min(1.0, self.busy_slot_s / self.slot_s) if self.slot_s > 0 else 0.0


class Sample(NamedTuple):
    """A moment. All but `in_flight` are sums since the start of what they are of; CPU in seconds."""

    #: Unix time of this machine.
    at_s: float
    completed: float
    failed: float
    #: Executions that the node has claimed and whose outcome is not in the database yet.
    in_flight: float
    #: That were sent to the database, by the node and by the bench.
    statements: float
    places: dict[int, PlaceUse]
    supervisor_cpu_s: float
    bench_cpu_s: float

    @property
    def ended(self) -> float:
        """Executions that have their outcome."""
        return self.completed + self.failed


def part_s(seconds: float) -> float:
    """Returns how long each part of a run of so many seconds is, so that they are few enough for a plot."""
    return next((each for each in PART_S if seconds / each <= PARTS_MAX), seconds / PARTS_MAX)


def series(samples: Sequence[Sample], begin_s: float, end_s: float, length_s: float) -> Series:
    """Returns what happened in each part between two moments; what lies between two samples is spread evenly.

    The last part may reach beyond the end, where nothing happens. Latencies are not in it: the table has those.
    """
    parts = max(1, math.ceil((end_s - begin_s) / length_s))
    edges = [at(samples, begin_s + number * length_s) for number in range(parts + 1)]
    pairs = list(itertools.pairwise(edges))
    nothing = PlaceUse()
    return Series(
        at_s=[round(number * length_s, 3) for number in range(1, parts + 1)],
        completed_per_s=[(after.completed - before.completed) / length_s for before, after in pairs],
        in_flight=[(after.in_flight + before.in_flight) / 2 for before, after in pairs],
        statements_per_s=[(after.statements - before.statements) / length_s for before, after in pairs],
        utilization={
            place: [
                after.places.get(place, nothing).minus(before.places.get(place, nothing)).utilization
                for before, after in pairs
            ]
            for place in sorted(edges[-1].places)
        },
    )


def at(samples: Sequence[Sample], moment_s: float) -> Sample:
    """Returns how it was at a moment: on the line between the samples before and after it."""
    index = bisect.bisect_left(samples, moment_s, key=lambda each: each.at_s)
    if index == 0:
        return samples[0]
    if index == len(samples):
        return samples[-1]
    before, after = samples[index - 1], samples[index]
    share = (moment_s - before.at_s) / (after.at_s - before.at_s)

    def between(left: float, right: float) -> float:
        return left + share * (right - left)

    places = {
        place: PlaceUse(*map(between, before.places.get(place, PlaceUse()), use)) for place, use in after.places.items()
    }
    return Sample(
        at_s=moment_s,
        completed=between(before.completed, after.completed),
        failed=between(before.failed, after.failed),
        in_flight=between(before.in_flight, after.in_flight),
        statements=between(before.statements, after.statements),
        places=places,
        supervisor_cpu_s=between(before.supervisor_cpu_s, after.supervisor_cpu_s),
        bench_cpu_s=between(before.bench_cpu_s, after.bench_cpu_s),
    )
