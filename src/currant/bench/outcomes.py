"""From the moments of executions to their latencies, and between which clocks they were taken."""

import time
from array import array
from collections.abc import Mapping
from typing import NamedTuple

from currant.store import bench_queries
from currant.store.bench_queries import Outcomes
from currant.store.connections import Connection

#: Of so many round trips the shortest tells how the clocks stand: in the others something else waited.
_TRIES = 15


class Latencies(NamedTuple):
    """In milliseconds, without the warm-up's; `ended_s` and `complete_ms` are of the same executions, in order."""

    #: In Unix time of the database's clock.
    ended_s: "array[float]"
    complete_ms: "array[float]"
    #: Of those that say when they began.
    start_ms: "array[float]"


async def clock_offset_s(connection: Connection) -> float:
    """Returns by how much the database's clock is ahead of this machine's, to within half of a round trip."""
    best_s, offset_s = float("inf"), 0.0
    for _ in range(_TRIES):
        asked_s, began_s = time.time(), time.perf_counter()
        theirs_s = await bench_queries.clock(connection)
        trip_s = time.perf_counter() - began_s
        if trip_s < best_s:
            best_s, offset_s = trip_s, theirs_s - (asked_s + trip_s / 2)
    # On one machine it is one clock, and the middle of a round trip only a guess of the moment when it was read.
    return 0.0 if abs(offset_s) <= best_s / 2 else offset_s


def latencies(
    outcomes: Outcomes,
    *,
    warmup: int = 0,
    intended_s: Mapping[str, float] | None = None,
    offset_s: float = 0.0,
    write_ms: float = 0.0,
) -> Latencies:
    """Returns the latencies but for those of the first `warmup` executions that ended.

    Args:
        intended_s: from when they count, by id, by the database's clock; where there is none, from the creation.
        offset_s: by how much the database's clock is ahead of that of the machine that ran them.
        write_ms: how long the write of an end took on average. `completed_s` is when it began.
    """
    ended = range(warmup, len(outcomes.completed_s))
    ends_s = array("d", (outcomes.completed_s[index] + write_ms / 1000 for index in ended))
    begins_s = outcomes.created_s[warmup:]
    if intended_s is not None:
        begins_s = array("d", (intended_s.get(outcomes.ids[at], outcomes.created_s[at]) for at in ended))
    starts_s = outcomes.started_s[warmup:]
    return Latencies(
        ended_s=ends_s,
        complete_ms=array("d", (1000 * (end_s - begin_s) for begin_s, end_s in zip(begins_s, ends_s, strict=True))),
        # NaN is no number, and equals nothing.
        start_ms=array(
            "d",
            (
                1000 * (start_s + offset_s - begin_s)
                for begin_s, start_s in zip(begins_s, starts_s, strict=True)
                if start_s == start_s
            ),
        ),
    )
