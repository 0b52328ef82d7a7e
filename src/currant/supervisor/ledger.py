"""The only record of what this node holds: which child has which execution, and what room is left. Pure: no I/O.

Theory of operation. A child has `slots`; it starts what it is given, in order, as slots become free. So of what it
holds as many executions as it has slots run, and the rest waits in its backlog. A finished execution frees its slot
at once, and counts as unsaved until its outcome is in the database. Prefetch, the backlog that is wanted, is what the
child finished within the last window of 100 ms: none while that is unknown, none for a child busy with long
executions.

An execution that waits for others lends its slot, and another starts in its place: `lent` is added to the slots. A
child takes slots back on its own, so that for a moment more may run than it has slots; these count as a backlog, of
which a recall finds nothing unstarted.
"""

import enum
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, field

from currant.executions import Execution, Outcome
from currant.protocol.cells import CELLS_MAX

WINDOW_S = 0.1
#: The most executions beyond the slots, per child: enough to hide a claim, and few to move when the child dies.
PREFETCH_MAX = 1000
#: Beyond this much that is not saved yet nothing is claimed.
UNSAVED_MAX = 20_000
#: Beyond this much in arguments and unsaved results nothing is claimed.
BYTES_MAX = 256 << 20


class Shut(enum.Flag):
    """Why a child gets no new work; it is open again when no reason is left."""

    #: It runs what nothing can end, and is to be replaced.
    OVERRUN = enum.auto()
    #: Its event loop does not answer.
    STALLED = enum.auto()
    #: It is to end when what it runs is done.
    LEAVING = enum.auto()
    #: It runs suspects, which are given to it by name, and nothing else.
    QUARANTINE = enum.auto()


OPEN = Shut(0)


@dataclass
class _Child:
    slots: int
    held: dict[int, Execution] = field(default_factory=dict)
    free_cells: list[int] = field(default_factory=lambda: list(range(CELLS_MAX - 1, -1, -1)))
    recalling: bool = False
    #: While there is a reason it gets no new work: nothing fits, whatever its slots.
    shut: Shut = OPEN
    #: Cells of what was taken away from it unheard, until it is known to have dropped that.
    withdrawn: list[int] = field(default_factory=list)
    window_began: float = 0.0
    finished_now: int = 0
    finished_before: int = 0
    progress_at: float = 0.0
    finished: int = 0
    lent: int = 0
    prefetch_max: int = PREFETCH_MAX

    @property
    def places(self) -> int:
        """How many executions may have started."""
        return min(self.slots + self.lent, CELLS_MAX)

    @property
    def free(self) -> int:
        return 0 if self.shut else max(0, self.places - len(self.held))

    @property
    def backlog(self) -> int:
        return max(0, len(self.held) - self.places)

    def prefetch(self, now: float) -> int:
        self.roll(now)
        if self.shut:
            return 0
        return min(self.prefetch_max, CELLS_MAX - self.places, max(self.finished_before, self.finished_now))

    def roll(self, now: float) -> None:
        elapsed = now - self.window_began
        if elapsed >= WINDOW_S:
            self.finished_before = self.finished_now if elapsed < 2 * WINDOW_S else 0
            self.finished_now = 0
            self.window_began = now


class Ledger:
    """What the node's children hold. Times are of any one monotonic clock, in seconds."""

    def __init__(self, *, prefetch: bool = True) -> None:
        """Without `prefetch` nothing is wanted beyond the slots."""
        self._prefetch_max = PREFETCH_MAX if prefetch else 0
        self._children: dict[int, _Child] = {}
        #: What no child holds yet, by id and lease, and since when: the first has waited longest.
        self._aside: dict[tuple[str, int], tuple[Execution, float]] = {}
        self._unsaved = 0
        self._bytes = 0

    def add_child(self, child: int, slots: int, now: float) -> None:
        """Takes a child that is ready for work."""
        assert child not in self._children
        self._children[child] = _Child(slots, window_began=now, progress_at=now, prefetch_max=self._prefetch_max)

    def take_from(self, child: int, is_started: Callable[[int], bool]) -> tuple[list[Execution], list[Execution]]:
        """Forgets a child and returns what it held: what had been started, and what had not."""
        gone = self._children.pop(child, None)
        started: list[Execution] = []
        unstarted: list[Execution] = []
        for cell, execution in gone.held.items() if gone else ():
            (started if is_started(cell) else unstarted).append(execution)
        self._bytes -= _size(started) + _size(unstarted)
        return started, unstarted

    def close(self, child: int, why: Shut) -> None:
        """From now on the child gets no new work, until it is reopened for each reason it was closed for."""
        self._children[child].shut |= why

    def reopen(self, child: int, why: Shut) -> None:
        self._children[child].shut &= ~why

    def find(self, ids: Container[str]) -> list[tuple[int, Execution]]:
        """Returns those of these executions that children hold, each with its child."""
        return [
            (name, execution)
            for name, child in self._children.items()
            for execution in child.held.values()
            if execution.id in ids
        ]

    def room(self, now: float) -> int:
        """Returns how many executions to claim now: 0 while the slots are taken and the backlogs half full."""
        if self._unsaved >= UNSAVED_MAX or self._bytes >= BYTES_MAX:
            return 0
        free = wanted = 0
        low = False
        for child in self._children.values():
            free += child.free
            prefetch = child.prefetch(now)
            wanted += max(0, prefetch - child.backlog)
            low = low or 2 * child.backlog < prefetch
        return free + wanted if free or low else 0

    def assign(self, executions: list[Execution], now: float) -> tuple[dict[int, list[Execution]], list[Execution]]:
        """Gives each execution a child and a cell: free slots first, evenly, in order; then the backlogs.

        Returns what each child gets, and what nobody has room for.
        """
        plan: dict[int, list[Execution]] = {}
        rest = self._deal(executions, {name: child.free for name, child in self._children.items()}, plan)
        if rest:
            backlogs = {name: child.prefetch(now) - child.backlog for name, child in self._children.items()}
            for name in backlogs:
                child = self._children[name]
                if not child.backlog:
                    # How long a backlog has not moved counts from its beginning.
                    child.progress_at = now
            rest = self._deal(rest, backlogs, plan)
        return plan, rest

    def assign_to_slots(self, executions: list[Execution]) -> tuple[dict[int, list[Execution]], list[Execution]]:
        """As `assign`, but to free slots alone."""
        plan: dict[int, list[Execution]] = {}
        return plan, self._deal(executions, {name: child.free for name, child in self._children.items()}, plan)

    def assign_to(self, child: int, execution: Execution) -> None:
        """Gives a cell of this child to the execution, also of a closed one, which must have one free."""
        of = self._children[child]
        execution.cell = cell = of.free_cells.pop()
        of.held[cell] = execution
        self._bytes += _size([execution])

    def idle(self, why: Shut) -> list[int]:
        """Returns the children that are closed for this reason alone, and hold nothing."""
        return [id for id, child in self._children.items() if child.shut == why and not child.held]

    def busy(self, why: Shut) -> bool:
        """Whether a child that is closed for this reason, also, holds something."""
        return any(why in child.shut and child.held for child in self._children.values())

    def set_aside(self, executions: list[Execution], now: float) -> None:
        """Takes what waits for a child of its own."""
        self._aside.update({(each.id, each.lease): (each, now) for each in executions})
        self._bytes += _size(executions)

    def pop_aside(self, before: float = float("inf")) -> Execution | None:
        """Takes off what was set aside first, if that was before that time."""
        for lease, (execution, since) in self._aside.items():
            if since < before:
                del self._aside[lease]
                self._bytes -= _size([execution])
                return execution
            break
        return None

    def take_aside(self, ids: Container[str] | None = None) -> list[Execution]:
        """Takes off what is set aside, of these executions, or of all."""
        taken = [each for each, _ in self._aside.values() if ids is None or each.id in ids]
        for each in taken:
            del self._aside[each.id, each.lease]
        self._bytes -= _size(taken)
        return taken

    @property
    def aside(self) -> int:
        return len(self._aside)

    def aside_since(self, now: float) -> float:
        """Returns for how many seconds the first that was set aside has waited; 0 without any."""
        return next((now - since for _, since in self._aside.values()), 0.0)

    def finish(self, child: int, outcomes: Iterable[Outcome], now: float) -> list[tuple[Execution, Outcome]]:
        """Frees the slots of executions that came back; what the child does not hold is left out."""
        of = self._children.get(child)
        if of is None:
            return []
        of.roll(now)
        take = of.held.pop
        finished = [(execution, outcome) for outcome in outcomes if (execution := take(outcome.cell, None)) is not None]
        of.free_cells += [outcome.cell for _, outcome in finished]
        self._bytes -= _size([execution for execution, _ in finished])
        of.finished_now += len(finished)
        of.finished += len(finished)
        of.progress_at = now
        return finished

    def give_back(self, child: int, cells: Iterable[int]) -> list[Execution]:
        """Takes back what the child has not started."""
        of = self._children.get(child)
        if of is None:
            return []
        back = []
        for cell in cells:
            execution = of.held.pop(cell, None)
            if execution is not None:
                of.free_cells.append(cell)
                back.append(execution)
        self._bytes -= _size(back)
        of.recalling = False
        return back

    def withdraw(self, child: int, cells: Iterable[int]) -> list[Execution]:
        """Takes away what the child has not started and cannot be asked for; the cells stay taken until `dropped`."""
        of = self._children[child]
        taken = {cell: of.held.pop(cell) for cell in cells if cell in of.held}
        of.withdrawn += taken
        self._bytes -= _size(list(taken.values()))
        return list(taken.values())

    def dropped(self, child: int) -> list[int]:
        """The child has dropped everything that was withdrawn from it: frees the cells, and returns them."""
        of = self._children[child]
        cells, of.withdrawn = of.withdrawn, []
        of.free_cells += cells
        return cells

    def lend(self, child: int, lent: int, now: float) -> None:
        """Takes the child's word on how many of its slots are lent."""
        of = self._children.get(child)
        if of is None:
            return
        if not of.backlog or lent > of.lent:
            # What waits moves on, or begins to wait.
            of.progress_at = now
        of.lent = max(0, lent)

    def stuck(self, child: int, now: float) -> float:
        """Returns for how many seconds the child's backlog has not moved; 0 without one, or while it is recalled."""
        of = self._children[child]
        return now - of.progress_at if of.backlog and not of.recalling else 0.0

    def recall(self, child: int, is_started: Callable[[int], bool], most: int) -> list[int]:
        """Returns cells of the backlog, the last `most` of it, and remembers that they are being recalled."""
        of = self._children[child]
        unstarted = [cell for cell in of.held if not is_started(cell)]
        cells = unstarted[max(0, len(unstarted) - most) :] if most else []
        of.recalling = True
        return cells

    def add_unsaved(self, count: int, size: int) -> None:
        self._unsaved += count
        self._bytes += size

    def settle(self, count: int, size: int) -> None:
        """Takes outcomes off that are in the database now."""
        self._unsaved -= count
        self._bytes -= size
        assert self._unsaved >= 0

    @property
    def children(self) -> list[int]:
        return list(self._children)

    @property
    def free(self) -> int:
        """The free slots of all children."""
        return sum(child.free for child in self._children.values())

    @property
    def held(self) -> int:
        return sum(len(child.held) for child in self._children.values()) + len(self._aside)

    @property
    def backlog(self) -> int:
        """What waits in the children."""
        return sum(child.backlog for child in self._children.values())

    @property
    def unsaved(self) -> int:
        return self._unsaved

    def cells_of(self, child: int) -> list[int]:
        return list(self._children[child].held)

    def execution(self, child: int, cell: int) -> Execution | None:
        """Returns what the child holds in this cell."""
        of = self._children.get(child)
        return None if of is None else of.held.get(cell)

    def ids(self) -> list[str]:
        """Returns the ids of everything that a child holds, or that is set aside."""
        return [id for id, _ in self._aside] + [
            each.id for child in self._children.values() for each in child.held.values()
        ]

    def leases(self) -> set[tuple[str, int]]:
        """Returns (id, lease) of everything that a child holds, or that is set aside."""
        held = {(each.id, each.lease) for child in self._children.values() for each in child.held.values()}
        return held | self._aside.keys()

    def of_child(self, child: int) -> tuple[int, int, int, int]:
        """Returns a child's slots, running, waiting and finished executions."""
        of = self._children.get(child)
        if of is None:
            return 0, 0, 0, 0
        return of.slots, len(of.held) - of.backlog, of.backlog, of.finished

    def _deal(
        self, executions: list[Execution], places: dict[int, int], plan: dict[int, list[Execution]]
    ) -> list[Execution]:
        start = 0
        for name, count in spread(len(executions), places).items():
            child = self._children[name]
            dealt = executions[start : start + count]
            start += count
            take, held = child.free_cells.pop, child.held
            for execution in dealt:
                execution.cell = cell = take()
                held[cell] = execution
            self._bytes += _size(dealt)
            if dealt:
                plan.setdefault(name, []).extend(dealt)
        return executions[start:]


def spread(count: int, places: dict[int, int]) -> dict[int, int]:
    """Deals `count` things to the places so that those with most places left get most: what remains is even."""
    shares = {name: 0 for name, free in places.items() if free > 0}
    left = dict(sorted(((name, places[name]) for name in shares), key=lambda item: -item[1]))
    names = list(left)
    while count > 0 and names:
        # Lower the roomiest ones together to the next level, or as far as the count goes.
        top = left[names[0]]
        level = [name for name in names if left[name] == top]
        below = max((left[name] for name in names if left[name] < top), default=0)
        share, extra = divmod(min(count, (top - below) * len(level)), len(level))
        for position, name in enumerate(level):
            taken = share + (position < extra)
            shares[name] += taken
            left[name] -= taken
            count -= taken
        names = sorted((name for name in names if left[name] > 0), key=lambda name: -left[name])
    return shares


def _size(executions: list[Execution]) -> int:
    return sum([len(each.args or b"") + len(each.kwargs or b"") for each in executions])
