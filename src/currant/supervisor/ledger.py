"""The only record of what this node holds: which child has which execution, and what room is left. Pure: no I/O.

Theory of operation. A child has `slots`; it starts what it is given, in order, as slots become free. So of what it
holds as many executions as it has slots run, and the rest waits in its backlog. A finished execution frees its slot
at once, and counts as unsaved until its outcome is in the database. Prefetch, the backlog that is wanted, is what the
child finished within the last window of 100 ms: none while that is unknown, none for a child busy with long
executions.

A frame costs the child and the supervisor as much as several short executions. So of what is dealt to free slots a
child gets a chunk, where the time that it needs for each is known to be short: as many as it gets through within 5 ms.
The children take turns. What takes longer than that is dealt evenly, one by one where there are few.

An execution that waits for others lends its slot, and another starts in its place: `lent` is added to the slots. A
child takes slots back on its own, so that for a moment more may run than it has slots; these count as a backlog, of
which a recall finds nothing unstarted.
"""

import enum
from collections import Counter
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, field

from currant.executions import Execution, Outcome
from currant.protocol.cells import CELLS_MAX
from currant.supervisor.dealing import deal, spread

WINDOW_S = 0.1
#: For the chunks, a child's pace counts so long after it was last seen at work: of many children each rests most of the
#: time, and what it gets next will be like the last.
KNOWN_S = 1.0
#: A chunk is what a child gets through within so long.
CHUNK_S = 0.005
#: The most executions beyond the slots, per child: enough to hide a claim, and few to move when the child dies.
PREFETCH_MAX = 2000
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
    #: How long it took for these, by its own word.
    spent_now_s: float = 0.0
    spent_before_s: float = 0.0
    #: What it finished in the last window in which it did, for how long, and when that ended.
    known: tuple[int, float, float] = (0, 0.0, 0.0)
    progress_at: float = 0.0
    finished: int = 0
    lent: int = 0
    #: Grows: when it was given something last.
    turn: int = 0
    #: What was counted as room for its backlog when room was asked for last: a claim that took its time comes for that,
    #: and giving it back would cost more than its wait.
    promised: int = 0
    prefetch_max: int = PREFETCH_MAX
    #: How many executions it holds, may have started, has free slots for, and has waiting: `recount` keeps them.
    count: int = 0
    places: int = 0
    free: int = 0
    backlog: int = 0

    def recount(self) -> None:
        self.count = len(self.held)
        self.places = min(self.slots + self.lent, CELLS_MAX)
        self.free = max(0, self.places - self.count) if self.shut == OPEN else 0
        self.backlog = max(0, self.count - self.places)

    def prefetch(self, now: float) -> int:
        """Returns the backlog that is wanted."""
        self.roll(now)
        if self.shut != OPEN:
            return 0
        return min(self.prefetch_max, CELLS_MAX - self.places, max(self.finished_before, self.finished_now))

    def roll(self, now: float) -> None:
        elapsed = now - self.window_began
        if elapsed >= WINDOW_S:
            recent = elapsed < 2 * WINDOW_S
            if self.spent_now_s > 0:
                self.known = self.finished_now, self.spent_now_s, self.window_began + WINDOW_S
            self.finished_before, self.finished_now = self.finished_now if recent else 0, 0
            self.spent_before_s, self.spent_now_s = self.spent_now_s if recent else 0.0, 0.0
            self.window_began = now

    def chunk(self, now: float) -> int:
        """Returns how many executions it gets through within CHUNK_S, at least one; 0 while that is unknown."""
        self.roll(now)
        spent_s = self.spent_before_s + self.spent_now_s
        finished = self.finished_before + self.finished_now
        if not spent_s:
            finished, spent_s, at = self.known
            if now - at > KNOWN_S:
                return 0
        return max(1, int(min(CELLS_MAX, CHUNK_S * finished / spent_s))) if spent_s > 0 else 0

    def places_behind(self, now: float) -> int:
        """Returns how many more its backlog may hold now."""
        return 0 if self.shut != OPEN else max(self.promised, self.prefetch(now) - self.backlog)

    def take(self, executions: list[Execution]) -> None:
        """Gives each execution a cell."""
        cells, held = self.free_cells, self.held
        for execution in executions:
            execution.cell = cell = cells.pop()
            held[cell] = execution


class Ledger:
    """What the node's children hold. Times are of any one monotonic clock, in seconds."""

    def __init__(self, *, prefetch: bool = True) -> None:
        """Without `prefetch` nothing is wanted beyond the slots."""
        self._prefetch_max = PREFETCH_MAX if prefetch else 0
        self._children: dict[int, _Child] = {}
        #: What no child holds yet, by id and lease, and since when: the first has waited longest.
        self._aside: dict[tuple[str, int], tuple[Execution, float]] = {}
        #: Of all children: `_recount` keeps them, for they are asked for with each claim and each frame.
        self._held = self._free = self._backlog = 0
        self._unsaved = 0
        self._bytes = 0
        self._turn = 0

    def add_child(self, child: int, slots: int, now: float) -> None:
        """Takes a child that is ready for work."""
        assert child not in self._children
        of = _Child(slots, window_began=now, progress_at=now, prefetch_max=self._prefetch_max)
        self._children[child] = of
        self._recount(of)

    def take_from(self, child: int, is_started: Callable[[int], bool]) -> tuple[list[Execution], list[Execution]]:
        """Forgets a child and returns what it held: what had been started, and what had not."""
        gone = self._children.pop(child, None)
        started: list[Execution] = []
        unstarted: list[Execution] = []
        if gone is None:
            return started, unstarted
        for cell, execution in gone.held.items():
            (started if is_started(cell) else unstarted).append(execution)
        self._bytes -= _size(started) + _size(unstarted)
        gone.held, gone.slots, gone.lent = {}, 0, 0
        self._recount(gone)
        return started, unstarted

    def close(self, child: int, why: Shut) -> None:
        """From now on the child gets no new work, until it is reopened for each reason it was closed for."""
        of = self._children[child]
        of.shut |= why
        self._recount(of)

    def reopen(self, child: int, why: Shut) -> None:
        of = self._children[child]
        of.shut &= ~why
        self._recount(of)

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
        wanted = 0
        low = False
        for child in self._children.values():
            # Of many children most have not finished anything lately: then no backlog is wanted.
            prefetch = child.prefetch(now) if child.finished_now or child.finished_before else 0
            child.promised = promised = prefetch - child.backlog if prefetch > child.backlog else 0
            wanted += promised
            low = low or 2 * child.backlog < prefetch
        return self._free + wanted if self._free or low else 0

    def assign(self, executions: list[Execution], now: float) -> tuple[dict[int, list[Execution]], list[Execution]]:
        """Gives each execution a child and a cell: free slots first, evenly, in order; then the backlogs.

        Returns what each child gets, and what nobody has room for.
        """
        plan: dict[int, list[Execution]] = {}
        rest = self._deal_to_slots(executions, plan, now)
        if rest:
            backlogs = {name: child.places_behind(now) for name, child in self._children.items()}
            for name in backlogs:
                child = self._children[name]
                if not child.backlog:
                    # How long a backlog has not moved counts from its beginning.
                    child.progress_at = now
            shares = spread(len(rest), backlogs)
            for name, share in shares.items():
                self._children[name].promised = max(0, self._children[name].promised - share)
            rest = self._deal(rest, shares, plan)
        return plan, rest

    def assign_to_slots(
        self, executions: list[Execution], now: float
    ) -> tuple[dict[int, list[Execution]], list[Execution]]:
        """As `assign`, but to free slots alone."""
        plan: dict[int, list[Execution]] = {}
        return plan, self._deal_to_slots(executions, plan, now)

    def assign_to(self, child: int, execution: Execution) -> None:
        """Gives a cell of this child to the execution, also of a closed one, which must have one free."""
        self._take(self._children[child], [execution])

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
        take = of.held.pop
        finished = [(execution, outcome) for outcome in outcomes if (execution := take(outcome.cell, None)) is not None]
        self._note_finished(of, [execution for execution, _ in finished], now)
        return finished

    def finish_done(self, child: int, cells: Iterable[int], now: float) -> list[Execution]:
        """As `finish`, of those that completed and returned None."""
        of = self._children.get(child)
        if of is None:
            return []
        take = of.held.pop
        done = [execution for cell in cells if (execution := take(cell, None)) is not None]
        self._note_finished(of, done, now)
        return done

    def note_spent(self, child: int, spent_s: float) -> None:
        """Takes the child's word on how long it took for what it finished last."""
        of = self._children.get(child)
        if of is not None and spent_s > 0:
            of.spent_now_s += spent_s

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
        self._recount(of)
        of.recalling = False
        return back

    def withdraw(self, child: int, cells: Iterable[int]) -> list[Execution]:
        """Takes away what the child has not started and cannot be asked for; the cells stay taken until `dropped`."""
        of = self._children[child]
        taken = {cell: of.held.pop(cell) for cell in cells if cell in of.held}
        of.withdrawn += taken
        self._bytes -= _size(list(taken.values()))
        self._recount(of)
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
        self._recount(of)

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
        return self._free

    @property
    def held(self) -> int:
        return self._held + len(self._aside)

    @property
    def backlog(self) -> int:
        """What waits in the children."""
        return self._backlog

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

    def by_queue(self) -> Counter[str]:
        """Returns how many executions are held, or set aside, by queue."""
        held = (execution.queue for child in self._children.values() for execution in child.held.values())
        return Counter(held) + Counter(execution.queue for execution, _ in self._aside.values())

    def of_child(self, child: int) -> tuple[int, int, int, int]:
        """Returns a child's slots, running, waiting and finished executions."""
        of = self._children.get(child)
        if of is None:
            return 0, 0, 0, 0
        return of.slots, of.count - of.backlog, of.backlog, of.finished

    def _note_finished(self, child: _Child, executions: list[Execution], now: float) -> None:
        child.roll(now)
        child.free_cells += [execution.cell for execution in executions]
        child.finished_now += len(executions)
        child.finished += len(executions)
        child.progress_at = now
        self._bytes -= _size(executions)
        self._recount(child)

    def _recount(self, child: _Child) -> None:
        """To be called when what the child holds, its slots or why it is shut have changed."""
        self._held -= child.count
        self._free -= child.free
        self._backlog -= child.backlog
        child.recount()
        self._held += child.count
        self._free += child.free
        self._backlog += child.backlog

    def _take(self, child: _Child, executions: list[Execution]) -> None:
        child.take(executions)
        self._bytes += _size(executions)
        self._recount(child)

    def _deal_to_slots(
        self, executions: list[Execution], plan: dict[int, list[Execution]], now: float
    ) -> list[Execution]:
        if not self._free:
            return executions
        # By turns: of children with as much room that comes first which was given something the longest ago.
        by_turns = sorted((child.turn, name, child.free) for name, child in self._children.items() if child.free)
        free = {name: free for _, name, free in by_turns}
        return self._deal(executions, deal(len(executions), free, lambda name: self._children[name].chunk(now)), plan)

    def _deal(
        self, executions: list[Execution], shares: dict[int, int], plan: dict[int, list[Execution]]
    ) -> list[Execution]:
        """Gives each child its share, adds that to the plan, and returns what is left."""
        start = 0
        for name, count in shares.items():
            dealt = executions[start : start + count]
            start += count
            if dealt:
                child = self._children[name]
                self._take(child, dealt)
                self._turn += 1
                child.turn = self._turn
                plan.setdefault(name, []).extend(dealt)
        return executions[start:]


def _size(executions: list[Execution]) -> int:
    return sum([len(each.args or b"") + len(each.kwargs or b"") for each in executions])
