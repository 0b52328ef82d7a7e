"""The metrics of children, by the numbers of their places."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from currant.supervisor.child import Restart
from currant.supervisor.figures import PlaceFigures
from currant.supervisor.metrics.families import Family, family
from currant.supervisor.metrics.metric import Kind, Metric, Section

_CHILD = ("child",)

UP = Metric(
    "currant_child_up", Kind.GAUGE, _CHILD, "0 or 1",
    "Whether a process stands in this place and is ready for work.",
    "sum by (instance) (currant_child_up)",
)  # fmt: skip
SLOTS = Metric(
    "currant_child_slots", Kind.GAUGE, _CHILD, "slots",
    "How many executions it runs at a time; 0 while none is ready.",
    "sum by (instance) (currant_child_slots)",
)  # fmt: skip
BUSY_SLOTS = Metric(
    "currant_child_busy_slots", Kind.GAUGE, _CHILD, "slots",
    "Slots that are taken at the moment. For a window, take the slot-seconds.",
    "sum(currant_child_busy_slots) / sum(currant_child_slots)",
)  # fmt: skip
SLOT_SECONDS = Metric(
    "currant_child_slot_seconds_total", Kind.COUNTER, _CHILD, "seconds",
    "Slots multiplied with the time for which they were there.",
    "sum by (instance) (rate(currant_child_slot_seconds_total[5m]))",
)  # fmt: skip
BUSY_SLOT_SECONDS = Metric(
    "currant_child_busy_slot_seconds_total", Kind.COUNTER, _CHILD, "seconds",
    "Of these, those in which an execution had started and not ended, without such as waited for others: divided by the"
    " slot-seconds, the utilization in any window.",
    "sum by (instance) (rate(currant_child_busy_slot_seconds_total[5m]))"
    " / sum by (instance) (rate(currant_child_slot_seconds_total[5m]))",
)  # fmt: skip
LOOP_LAG = Metric(
    "currant_child_loop_lag_seconds", Kind.GAUGE, _CHILD, "seconds",
    "By how much the child's event loop was late, at the most, in the last ten seconds or so.",
    "currant_child_loop_lag_seconds > 1",
)  # fmt: skip
CPU = Metric(
    "currant_child_cpu_seconds_total", Kind.COUNTER, _CHILD, "seconds",
    "Processor time. Of a process that has ended, what it used in its last seconds may be missing.",
    "rate(currant_child_cpu_seconds_total[5m])",
)  # fmt: skip
MEMORY = Metric(
    "currant_child_resident_memory_bytes", Kind.GAUGE, _CHILD, "bytes",
    "Resident memory; what it shares with others counts in each.",
    "topk(5, currant_child_resident_memory_bytes)",
)  # fmt: skip
START_TIME = Metric(
    "currant_child_start_time_seconds", Kind.GAUGE, _CHILD, "Unix time",
    "When the process that stands there was ready. No sample while none is.",
    "time() - currant_child_start_time_seconds",
)  # fmt: skip
EXECUTIONS = Metric(
    "currant_child_executions_total", Kind.COUNTER, _CHILD, "executions",
    "Ended in this place, whatever end.",
    "rate(currant_child_executions_total[5m])",
)  # fmt: skip
RESTARTS = Metric(
    "currant_child_restarts_total", Kind.COUNTER, ("reason",), "restarts",
    "Processes that another took the place of, of all places; `reason` is died, executions or memory (a limit was"
    " reached), reload, stalled, timeout (nothing else could end what it ran), boot (it was not ready in time, or its"
    " start failed) or asked.",
    'increase(currant_child_restarts_total{reason="died"}[15m]) > 0',
)  # fmt: skip

SECTION = Section(
    "Children",
    "`child` is the number of the place, which stays when the process there is replaced; the counters of a place go on"
    " then. A place that is closed has no samples.",
    (
        UP, SLOTS, BUSY_SLOTS, SLOT_SECONDS, BUSY_SLOT_SECONDS, LOOP_LAG, CPU, MEMORY, START_TIME, EXECUTIONS, RESTARTS,
    ),
)  # fmt: skip
_VALUES: Mapping[Metric, Callable[[PlaceFigures], float | None]] = {
    UP: lambda place: place.up,
    SLOTS: lambda place: place.slots,
    BUSY_SLOTS: lambda place: place.busy_slots,
    SLOT_SECONDS: lambda place: place.slot_s,
    BUSY_SLOT_SECONDS: lambda place: place.busy_slot_s,
    LOOP_LAG: lambda place: place.lag_s,
    CPU: lambda place: place.cpu_s,
    MEMORY: lambda place: place.memory_bytes,
    START_TIME: lambda place: place.started_at_s,
    EXECUTIONS: lambda place: place.executions,
}


def families(places: Sequence[PlaceFigures], restarts: Mapping[Restart, int]) -> Iterator[Family]:
    """Gives what the places are and have done."""
    for metric, value_of in _VALUES.items():
        values = ((str(place.number), value_of(place)) for place in places)
        yield family(metric, (((number,), value) for number, value in values if value is not None))
    yield family(RESTARTS, (((reason,), restarts.get(reason, 0)) for reason in Restart))
