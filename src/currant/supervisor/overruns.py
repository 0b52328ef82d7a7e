"""Executions that nothing can end: their child gets no new work, and is replaced when what else it runs is done.

A thread cannot be cancelled, nor can code that swallows its cancellation. Its slot stays taken; what became of it is
recorded when it has ended by itself, or when its process is dead, and it cannot go on beside its own retry.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from currant.executions import Ending, Execution
from currant.supervisor.child import Restart
from currant.supervisor.ledger import Ledger, Shut


@dataclass
class _Child:
    grace: asyncio.TimerHandle
    cells: dict[int, Ending] = field(default_factory=dict)
    #: It is being killed: nothing that it still sends opens it again.
    doomed: bool = False


class Overruns:
    """Which children hold such executions, and when each of these is replaced."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        recall: Callable[[int], None],
        replace: Callable[[int, str, Restart], None],
        grace_s: float,
    ) -> None:
        """
        Args:
            recall: asks a child for everything that it has not started.
            replace: kills a child, for the reason given, and starts another in its place.
            grace_s: how long the others in its child may go on, in seconds from the first overrun.
        """
        self._ledger, self._recall, self._replace, self._grace_s = ledger, recall, replace, grace_s
        self._children: dict[int, _Child] = {}

    def note(self, child: int, cell: int, ending: Ending) -> None:
        """The execution in this cell should have ended so, and goes on."""
        if self._ledger.execution(child, cell) is None:
            return
        of = self._children.get(child)
        if of is None:
            grace = asyncio.get_running_loop().call_later(self._grace_s, self._grace_over, child)
            of = self._children[child] = _Child(grace)
            self._ledger.close(child, Shut.OVERRUN)
            self._recall(child)
        if ending is Ending.CANCELLED or cell not in of.cells:
            of.cells[cell] = ending
        self.look(child)

    def kill(self, child: int, cells: list[int]) -> None:
        """These executions are past their timeout and the grace, and the child does not answer: replaced at once."""
        for cell in cells:
            self.note(child, cell, Ending.TIMED_OUT)
        of = self._children.get(child)
        if of is not None and not of.doomed:
            self._doom(child)

    def look(self, child: int) -> None:
        """Something came from the child: it is opened again when no overrun is left, replaced when nothing else is."""
        of = self._children.get(child)
        if of is None or of.doomed:
            return
        held = set(self._ledger.cells_of(child))
        of.cells = {cell: ending for cell, ending in of.cells.items() if cell in held}
        if not of.cells:
            self.take(child)
            self._ledger.reopen(child, Shut.OVERRUN)
        elif len(of.cells) == len(held):
            self._doom(child)

    def take(self, child: int) -> dict[int, Ending]:
        """Forgets the child, and returns the cells of its overruns, each with how it ends if it was held at the end."""
        of = self._children.pop(child, None)
        if of is None:
            return {}
        of.grace.cancel()
        return of.cells

    def _grace_over(self, child: int) -> None:
        # What had not started may have been taken away meanwhile: that it ran was the word of user code.
        self.look(child)
        of = self._children.get(child)
        if of is not None and not of.doomed:
            self._doom(child)

    def _doom(self, child: int) -> None:
        of = self._children[child]
        of.doomed = True
        of.grace.cancel()
        stuck = [each for cell in of.cells if (each := self._ledger.execution(child, cell)) is not None]
        self._replace(child, _reason(stuck), Restart.TIMEOUT)


def _reason(stuck: list[Execution]) -> str:
    first, more = stuck[0], len(stuck) - 1
    return f"{first.id} could not be ended" + (f", nor {more} more" if more else "")
