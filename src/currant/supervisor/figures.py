"""What the children of each place have done, whichever processes stood there: such counters go on when a child is
replaced."""

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from currant.supervisor.child import Restart
from currant.supervisor.children import Children
from currant.supervisor.ledger import Ledger
from currant.supervisor.places import Role
from currant.supervisor.stalls import Stalls


class PlaceFigures(NamedTuple):
    """Of one place. What ends in `_s`, and `executions`, are of all processes that ever stood there, added up.

    `up`: a process stands there and is ready. `slots`, `busy_slots`, `lag_s`, `memory_bytes` and `started_at_s`, when
    it was ready in Unix time, are of that process; 0 or None without one.
    """

    number: int
    role: Role
    up: bool = False
    slots: int = 0
    busy_slots: float = 0.0
    lag_s: float = 0.0
    memory_bytes: int = 0
    started_at_s: float | None = None
    slot_s: float = 0.0
    busy_slot_s: float = 0.0
    cpu_s: float = 0.0
    executions: int = 0


class Figures:
    """The figures of all places."""

    def __init__(self, children: Children, ledger: Ledger, stalls: Stalls, *, clock: Callable[[], float]) -> None:
        self._children, self._ledger, self._stalls, self._clock = children, ledger, stalls, clock
        #: How often a process took another's place, and why.
        self.restarts: Counter[Restart] = Counter(dict.fromkeys(Restart, 0))

    def of_places(self) -> list[PlaceFigures]:
        """Returns the figures of the places that there are now, by their numbers."""
        return []
