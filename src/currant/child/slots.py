"""How many executions a child may run: its slots, and those that waiting executions have lent. Pure: no I/O.

Theory of operation. An execution that waits for others lends its slot, once, however many waits it has begun: it lends
until the last of them is over, and code of its own that runs meanwhile runs beyond the slots. Then it takes its slot
back: at once if one is free, else it stands in line, before everything that has not started. A slot is held by what
runs, which ends or lends, so the line moves on. What is broken off (cancelled, out of time) does not stand in line: so
many more run for a while, and nothing starts before that is over.
"""

from collections.abc import Callable, Sized


class Lender:
    """One execution that has lent its slot, by its cell."""

    __slots__ = ("cell", "granted", "waits")

    def __init__(self, cell: int) -> None:
        self.cell = cell
        #: How many of its waits are under way; with none it stands in line.
        self.waits = 0
        #: Called when it need not stand in line any more.
        self.granted: Callable[[], None] | None = None


class Slots:
    """The slots of one child."""

    def __init__(self, concurrency: int, lent_max: int, running: Sized) -> None:
        """
        Args:
            concurrency: how many slots there are.
            lent_max: beyond so many, those that wait keep their slots.
            running: what runs, waits or stands in line now, each once: everything that has started and not ended.
        """
        self._concurrency, self._lent_max, self._running = concurrency, lent_max, running
        #: So many executions may have started and not ended.
        self.limit = concurrency
        #: While it is empty nothing is lent, and an execution's end concerns nobody here.
        self.lenders: dict[int, Lender] = {}
        self._line: dict[int, Lender] = {}

    @property
    def lent(self) -> int:
        """How many slots are lent, also by those that stand in line."""
        return self.limit - self._concurrency

    def begin(self, cell: int) -> Lender | None:
        """Notes that a wait of this execution, which runs, begins; None when it keeps its slot."""
        lender = self.lenders.get(cell)
        if lender is None:
            if self.lent >= self._lent_max:
                return None
            lender = self.lenders[cell] = Lender(cell)
            self.limit += 1
        elif not lender.waits:
            # It waits anew: what stood in line for it goes on without a slot, as its other code does.
            self._leave_line(lender)
        lender.waits += 1
        return lender

    def end(self, lender: Lender, granted: Callable[[], None]) -> bool:
        """Notes that a wait is over; False: it has to stand in line, and `granted` is called when that is over."""
        if self.lenders.get(lender.cell) is not lender:
            return True
        lender.waits -= 1
        if lender.waits:
            return True
        if not self._line and len(self._running) < self.limit:
            self._take_back(lender)
            return True
        lender.granted = granted
        self._line[lender.cell] = lender
        return False

    def break_off(self, lender: Lender, granted: Callable[[], None] | None = None) -> None:
        """Notes that a wait was broken off, or, with the `granted` that it stands there with, its place in the line."""
        if self.lenders.get(lender.cell) is not lender or lender.granted is not granted:
            return
        if granted is None:
            lender.waits -= 1
        if not lender.waits:
            self._take_back(lender)

    def ended(self, cell: int) -> None:
        """Notes that an execution has ended, whatever waits of its are left."""
        lender = self.lenders.get(cell)
        if lender is not None:
            self._take_back(lender)

    def grant(self) -> None:
        """Gives the free slots to those that stand in line: to be called before anything new starts."""
        while self._line and len(self._running) < self.limit:
            self._take_back(next(iter(self._line.values())))

    def _take_back(self, lender: Lender) -> None:
        del self.lenders[lender.cell]
        self.limit -= 1
        self._leave_line(lender)

    def _leave_line(self, lender: Lender) -> None:
        self._line.pop(lender.cell, None)
        granted, lender.granted = lender.granted, None
        if granted is not None:
            granted()
