"""What a child makes of its slots and of the machine, as it is at the moment of asking."""

import math
from typing import NamedTuple

from currant import proc
from currant.protocol.cells import Busy
from currant.supervisor.child import Child, State


class Load(NamedTuple):
    """Of one child, since it was ready: what its slots were, and of these were busy; and what its process has used."""

    busy_slot_s: float = 0.0
    slot_s: float = 0.0
    cpu_s: float = 0.0
    memory_bytes: int = 0


def load_of(child: Child, slots: int, now: float) -> Load:
    """Returns the load of a child that has so many slots. `now`: by the clock of its `ready_at`."""
    slot_s = 0.0 if child.ready_at is None else slots * (now - child.ready_at)
    # The memory that is shared with one that has ended is closed.
    if child.state in (State.READY, State.LEAVING):
        busy_slot_s = busy_until(child.cells.read_busy(), slots, now)
        # What is written at the ends of turns corrects what has been expected of them: nobody is to see it fall.
        child.busy_slot_s = min(max(busy_slot_s, child.busy_slot_s), slot_s)
    if child.pid is None:
        return Load(child.busy_slot_s, slot_s)
    return Load(child.busy_slot_s, slot_s, proc.cpu_s(child.pid) or 0.0, proc.resident_bytes(child.pid) or 0)


def busy_until(busy: Busy | None, slots: int, now: float) -> float:
    """Returns the busy slot-seconds until now. A child's own code may have written any numbers."""
    if busy is None or not all(map(math.isfinite, busy)):
        return 0.0
    active = min(max(busy.active, 0.0), slots)
    return busy.busy_slot_s + active * max(0.0, now - busy.at_s)
