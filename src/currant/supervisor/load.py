"""What a child makes of its slots and of the machine, as it is at the moment of asking."""

import math
from typing import NamedTuple

from currant import proc
from currant.protocol.cells import Busy
from currant.supervisor.child import Child, State

#: What is known of a process's memory is good for so long: the kernel takes longer to say it than all else here.
MEMORY_S = 1.0


class Load(NamedTuple):
    """Of one child, since it was ready: what its slots were, and of these were busy; and what its process has used.

    `busy_slots`: how many are busy now.
    """

    busy_slot_s: float = 0.0
    slot_s: float = 0.0
    cpu_s: float = 0.0
    memory_bytes: int = 0
    busy_slots: float = 0.0


def load_of(child: Child, slots: int, now: float) -> Load:
    """Returns the load of a child that has so many slots, until its end if it has come.

    The memory that it shares must not be closed. `now`: by the clock of its `ready_at`.
    """
    now = now if child.ended_at is None else min(now, child.ended_at)
    slot_s = 0.0 if child.ready_at is None else slots * max(0.0, now - child.ready_at)
    busy = child.cells.read_busy()
    # What is written at the ends of turns corrects what has been expected of them: nobody is to see it fall.
    child.busy_slot_s = min(max(busy_until(busy, slots, now), child.busy_slot_s), slot_s)
    if child.pid is not None and child.state is not State.ENDED:
        child.cpu_s = max(child.cpu_s, proc.cpu_s(child.pid) or 0.0)
        if now - child.memory_at >= MEMORY_S:
            child.memory_at, child.memory_bytes = now, proc.resident_bytes(child.pid) or 0
    return Load(child.busy_slot_s, slot_s, child.cpu_s, child.memory_bytes, _active(busy, slots))


def busy_until(busy: Busy | None, slots: int, now: float) -> float:
    """Returns the busy slot-seconds until now. A child's own code may have written any numbers."""
    if busy is None or not all(map(math.isfinite, busy)):
        return 0.0
    return busy.busy_slot_s + _active(busy, slots) * max(0.0, now - busy.at_s)


def _active(busy: Busy | None, slots: int) -> float:
    if busy is None or not math.isfinite(busy.active):
        return 0.0
    return min(max(busy.active, 0.0), slots)
