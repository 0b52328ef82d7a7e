"""What the processes of a node do while it has no work, as the kernel counts it."""

import time
from typing import NamedTuple

from currant import proc
from currant.protocol.status import StatusReply


class Rest(NamedTuple):
    """A look: the moment, and what supervisor and children have used up to it. NaN where the kernel does not say."""

    at_s: float
    supervisor_cpu_s: float
    children_cpu_s: float
    supervisor_wakeups: float
    children_wakeups: float

    def until(self, later: "Rest") -> dict[str, float]:
        """Returns what was used from this look to a later one, by the names under which a run keeps it."""
        seconds = later.at_s - self.at_s
        used = {
            "supervisor_cpu_ms_per_s": 1000 * (later.supervisor_cpu_s - self.supervisor_cpu_s),
            "children_cpu_ms_per_s": 1000 * (later.children_cpu_s - self.children_cpu_s),
            "supervisor_wakeups_per_s": later.supervisor_wakeups - self.supervisor_wakeups,
            "children_wakeups_per_s": later.children_wakeups - self.children_wakeups,
        }
        # NaN is not equal to itself, and JSON knows none.
        return {name: value / seconds for name, value in used.items() if value == value}


def look(reply: StatusReply) -> Rest:
    """Looks at the supervisor and at the children that it has."""
    children = [child.pid for child in reply.children if child.pid is not None]
    return Rest(
        at_s=time.monotonic(),
        supervisor_cpu_s=_number(proc.cpu_s(reply.pid)),
        children_cpu_s=sum(_number(proc.cpu_s(pid)) for pid in children),
        supervisor_wakeups=_number(proc.wakeups(reply.pid)),
        children_wakeups=sum(_number(proc.wakeups(pid)) for pid in children),
    )


def _number(value: float | None) -> float:
    return float("nan") if value is None else value
