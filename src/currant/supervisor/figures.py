"""What the children of each place have done, whichever processes stood there: such counters go on when a child is
replaced."""

import time
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from currant.supervisor.child import Child, Restart, State
from currant.supervisor.children import Children
from currant.supervisor.ledger import Ledger
from currant.supervisor.load import Load, load_of
from currant.supervisor.places import Place, Role
from currant.supervisor.stalls import Stalls


class Totals(NamedTuple):
    """What processes have done: slot-seconds since each was ready, those that were busy, CPU seconds, executions."""

    slot_s: float = 0.0
    busy_slot_s: float = 0.0
    cpu_s: float = 0.0
    executions: int = 0

    def plus(self, other: "Totals") -> "Totals":
        return Totals(
            self.slot_s + other.slot_s,
            self.busy_slot_s + other.busy_slot_s,
            self.cpu_s + other.cpu_s,
            self.executions + other.executions,
        )


class PlaceFigures(NamedTuple):
    """Of one place. The last four are `Totals` of all processes that ever stood there, added up.

    `up`: a process stands there and is ready for work. The others are of that process, nothing without one;
    `started_at_s`, when it was ready, is in Unix time, `lag_s` as in `Stalls`.
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
        #: How often a process was replaced, and why.
        self.restarts: Counter[Restart] = Counter(dict.fromkeys(Restart, 0))
        #: By place, of the processes that are gone.
        self._gone: dict[int, Totals] = {}
        #: When each child was ready, in Unix time: looked up once, for the clocks do not run alike.
        self._started_at_s: dict[int, float] = {}

    def note_restart(self, why: Restart) -> None:
        """A process is replaced, or will be."""
        self.restarts[why] += 1

    def note_end(self, child: Child) -> None:
        """A child is gone; to be called while the ledger and the memory that it shared still tell of it."""
        self._add(self._gone, child, self._load_of(child, self._clock()))
        self._started_at_s.pop(child.id, None)

    def of_places(self) -> list[PlaceFigures]:
        """Returns the figures of the places that there are now, by their numbers."""
        now = self._clock()
        totals = dict(self._gone)
        ready: dict[int, tuple[Child, Load]] = {}  # by place
        for child in self._children:
            load = self._load_of(child, now)
            # For a moment two may stand there: one that comes, and one that goes.
            self._add(totals, child, load)
            # Two are never ready: when the one that comes is, the other leaves.
            if child.state is State.READY:
                ready[child.place] = child, load
        places = sorted(self._children.all_places, key=lambda place: place.number)
        return [
            self._of_place(place, totals.get(place.number, Totals()), ready.get(place.number), now) for place in places
        ]

    def _load_of(self, child: Child, now: float) -> Load:
        return load_of(child, self._ledger.of_child(child.id)[0], now)

    def _add(self, totals: dict[int, Totals], child: Child, load: Load) -> None:
        finished = self._ledger.of_child(child.id)[-1]
        more = Totals(load.slot_s, load.busy_slot_s, load.cpu_s, finished)
        totals[child.place] = totals.get(child.place, Totals()).plus(more)

    def _of_place(self, place: Place, totals: Totals, who: tuple[Child, Load] | None, now: float) -> PlaceFigures:
        if who is None or (ready_at := who[0].ready_at) is None:
            return PlaceFigures(place.number, place.role, **totals._asdict())
        child, load = who
        return PlaceFigures(
            place.number,
            place.role,
            up=True,
            slots=self._ledger.of_child(child.id)[0],
            busy_slots=load.busy_slots,
            lag_s=self._stalls.of_child(child.id)[0],
            memory_bytes=load.memory_bytes,
            started_at_s=self._started_at_s.setdefault(child.id, time.time() - (now - ready_at)),
            **totals._asdict(),
        )
