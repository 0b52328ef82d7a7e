"""The metrics of the node itself, of its process, and of what its executions met beside an outcome."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from prometheus_client import ProcessCollector

from currant.supervisor.events import Counts
from currant.supervisor.lifecycle import Phase
from currant.supervisor.metrics.families import Family, family, single
from currant.supervisor.metrics.metric import Kind, Metric, Section

FENCED = Metric(
    "currant_outcomes_fenced_total", Kind.COUNTER, (), "executions",
    "Outcomes that came after their leases were lost, and changed nothing: the node was thought dead.",
    "increase(currant_outcomes_fenced_total[1h]) > 0",
)  # fmt: skip
RELEASED = Metric(
    "currant_executions_released_total", Kind.COUNTER, (), "executions",
    "Given back uncounted: not started when the node drained or a child ended, or cut off by a drain.",
    "rate(currant_executions_released_total[5m])",
)  # fmt: skip
RECLAIMED = Metric(
    "currant_executions_reclaimed_total", Kind.COUNTER, (), "executions",
    "Taken back from nodes that are dead.",
    "increase(currant_executions_reclaimed_total[1h])",
)  # fmt: skip
PARKED = Metric(
    "currant_executions_parked_total", Kind.COUNTER, (), "executions",
    "Put aside because no module of the node registers their function.",
    "increase(currant_executions_parked_total[1h]) > 0",
)  # fmt: skip
PRUNED = Metric(
    "currant_executions_pruned_total", Kind.COUNTER, (), "executions",
    "Deleted because they ended long ago.",
    "increase(currant_executions_pruned_total[1d])",
)  # fmt: skip
OUTCOMES_WAITING = Metric(
    "currant_outcomes_waiting", Kind.GAUGE, (), "executions",
    "Outcomes that are not in the database yet. Beyond 20,000 nothing is claimed.",
    "currant_outcomes_waiting > 10000",
)  # fmt: skip
SUSPECTS = Metric(
    "currant_suspects", Kind.GAUGE, (), "executions",
    "Have met crashes, and wait to run alone.",
    "currant_suspects > 0",
)  # fmt: skip

INFO = Metric(
    "currant_node_info", Kind.INFO, ("version", "node"), "1",
    "Always 1; `version` is the release, `node` the name in `worker_heartbeats`, empty before the node has registered.",
    "count by (version) (currant_node_info)",
)  # fmt: skip
PHASE = Metric(
    "currant_node_phase", Kind.GAUGE, ("phase",), "0 or 1",
    "1 for the phase that the node is in, 0 for the others: see [the life of a node](lifecycle.md).",
    'currant_node_phase{phase="degraded"} == 1',
)  # fmt: skip
DEGRADED = Metric(
    "currant_node_degraded", Kind.GAUGE, ("part",), "0 or 1",
    "Whether the node lacks something of this part. `currantctl status` has the reason.",
    "max by (instance, part) (currant_node_degraded) == 1",
)  # fmt: skip
START_TIME = Metric(
    "currant_node_start_time_seconds", Kind.GAUGE, (), "Unix time",
    "When the supervisor started.",
    "time() - currant_node_start_time_seconds",
)  # fmt: skip

_OF_PROCESS = "Of the supervisor: "
PROCESS_CPU = Metric(
    "process_cpu_seconds_total", Kind.COUNTER, (), "seconds",
    f"{_OF_PROCESS}processor time.",
    "rate(process_cpu_seconds_total[5m])",
)  # fmt: skip
PROCESS_RESIDENT = Metric(
    "process_resident_memory_bytes", Kind.GAUGE, (), "bytes",
    f"{_OF_PROCESS}resident memory.",
    "process_resident_memory_bytes",
)  # fmt: skip
PROCESS_VIRTUAL = Metric(
    "process_virtual_memory_bytes", Kind.GAUGE, (), "bytes",
    f"{_OF_PROCESS}virtual memory.",
    "process_virtual_memory_bytes",
)  # fmt: skip
PROCESS_START_TIME = Metric(
    "process_start_time_seconds", Kind.GAUGE, (), "Unix time",
    f"{_OF_PROCESS}when its process started.",
    "changes(process_start_time_seconds[1h])",
)  # fmt: skip
PROCESS_OPEN_FDS = Metric(
    "process_open_fds", Kind.GAUGE, (), "descriptors",
    f"{_OF_PROCESS}file descriptors that are open.",
    "process_open_fds / process_max_fds",
)  # fmt: skip
PROCESS_MAX_FDS = Metric(
    "process_max_fds", Kind.GAUGE, (), "descriptors",
    f"{_OF_PROCESS}how many file descriptors it may have.",
    "process_max_fds",
)  # fmt: skip

WAYS = Section(
    "Executions that go another way",
    "Of the whole node, without labels.",
    (FENCED, RELEASED, RECLAIMED, PARKED, PRUNED, OUTCOMES_WAITING, SUSPECTS),
)
SECTION = Section("Node", "Its phase, and what the system says of the supervisor's process.", (
    INFO, PHASE, DEGRADED, START_TIME,
    PROCESS_CPU, PROCESS_RESIDENT, PROCESS_VIRTUAL, PROCESS_START_TIME, PROCESS_OPEN_FDS, PROCESS_MAX_FDS,
))  # fmt: skip
_PROCESS = {metric.name.removesuffix("_total"): metric for metric in SECTION.metrics[4:]}


class NodeState(NamedTuple):
    """How the node is. `degraded`: whether it lacks something, by part; `started_at_s`: in Unix time."""

    version: str
    node: str
    phase: Phase
    degraded: Mapping[str, bool]
    started_at_s: float


def ways(counts: Counts, *, outcomes_waiting: int, suspects: int) -> Iterator[Family]:
    """Gives what the executions met."""
    yield single(FENCED, counts.fenced)
    yield single(RELEASED, counts.released)
    yield single(RECLAIMED, counts.reclaimed)
    yield single(PARKED, counts.parked)
    yield single(PRUNED, counts.pruned)
    yield single(OUTCOMES_WAITING, outcomes_waiting)
    yield single(SUSPECTS, suspects)


def families(state: NodeState) -> Iterator[Family]:
    """Gives what the node is."""
    yield family(INFO, [((state.version, state.node), 1)])
    yield family(PHASE, (((phase,), phase is state.phase) for phase in Phase))
    yield family(DEGRADED, (((part,), lacks) for part, lacks in sorted(state.degraded.items())))
    yield single(START_TIME, state.started_at_s)


def process_families(process: ProcessCollector) -> Iterator[Family]:
    """Gives what the system says of this process."""
    for found in process.collect():
        if (metric := _PROCESS.get(found.name)) is not None:
            yield single(metric, found.samples[0].value)
