"""The end of a node, in steps of which each is bounded: what runs ends, or is ended, and is written down."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

from currant.errors import DatabaseError
from currant.protocol.work import Cancel
from currant.supervisor.children import Children
from currant.supervisor.claimer import Claimer
from currant.supervisor.ledger import Ledger
from currant.supervisor.lifecycle import Lifecycle

#: After the grace period: how long cancelled executions may take to end before their child is killed.
CANCEL_S = 3.0
#: How long the end of killed children is waited for.
KILL_S = 3.0


class Patience(NamedTuple):
    """How long something is waited for, in seconds; how much longer from a hurry on; how much longer from a quit on."""

    drain_s: float
    hurry_s: float
    quit_s: float


CLAIM_END = Patience(5.0, 2.0, 0.0)
CANCEL = Patience(CANCEL_S, CANCEL_S, 0.0)
KILL = Patience(KILL_S, KILL_S, KILL_S)
#: For the database to take the last outcomes.
FLUSH = Patience(10.0, 2.0, 1.0)
#: For the stop hooks of the children, which are killed afterwards.
STOP_HOOKS = Patience(5.0, 0.5, 0.0)


class Drain:
    """Gives back what has not started, waits for what runs, cancels it, kills what is left, and writes it down."""

    def __init__(
        self,
        lifecycle: Lifecycle,
        ledger: Ledger,
        children: Children,
        *,
        claimer: Claimer,
        recall_all: Callable[[], None],
        until_empty: Callable[[], Coroutine[Any, Any, None]],
        flushed: Callable[[], Coroutine[Any, Any, None]],
        deregister: Callable[[bool], Coroutine[Any, Any, None]],
        in_doubt: Callable[[], bool],
        grace_s: float,
    ) -> None:
        """
        Args:
            recall_all: asks all children for what they have not started.
            until_empty: waits until no child holds anything.
            flushed: waits until the outcomes that are left are written.
            deregister: writes that the node is no more, and whether it may have left something behind. Raises
                DatabaseError.
            in_doubt: whether the node may have claimed what it does not know of.
            grace_s: how long what runs may go on, in seconds.
        """
        self._lifecycle, self._ledger, self._children, self._claimer = lifecycle, ledger, children, claimer
        self._recall_all, self._until_empty = recall_all, until_empty
        self._flushed, self._deregister, self._in_doubt = flushed, deregister, in_doubt
        self._grace = Patience(grace_s, 0.0, 0.0)

    async def run(self) -> None:
        """Returns after the sum of the bounds at the latest, and almost at once on a quit."""
        self._recall_all()
        # What the claim under way brings is given back. Without a database it does not end: the next supervisor finds
        # what it may have claimed.
        await self._wait(self._claimer.stop(), CLAIM_END)
        await self._wait(self._until_empty(), self._grace)
        self._cancel_all()
        await self._wait(self._until_empty(), CANCEL)
        self._kill_busy()
        await self._wait(self._until_empty(), KILL)
        if not self._lifecycle.quit_asked:
            self._children.dismiss_all()
        # While their hooks run, the last outcomes are written.
        await asyncio.gather(self._wait(self._write_last(), FLUSH), self._wait_dismissed())

    def cancel(self, child: int) -> None:
        """Cancels what a child holds: it goes back uncounted."""
        if child in self._ledger.children:
            self._children[child].send(Cancel(self._ledger.cells_of(child)))

    def _cancel_all(self) -> None:
        for child in self._ledger.children:
            self.cancel(child)

    def _kill_busy(self) -> None:
        self._children.never_mind()
        for child in list(self._children):
            if child.id in self._ledger.children and self._ledger.cells_of(child.id):
                child.dismissed = True
                child.kill()

    async def _wait_dismissed(self) -> None:
        await self._wait(self._children.dismissal.wait(), STOP_HOOKS)
        self._children.dismissal.kill_late()

    async def _write_last(self) -> None:
        try:
            await self._flushed()
            # What may have been claimed unseen, or could not be written, is then found by whoever comes next.
            await self._deregister(self._in_doubt() or not self._claimer.stopped or self._ledger.unsaved > 0)
        except DatabaseError:
            # The next supervisor here, or another node, takes back what is not written.
            pass

    async def _wait(self, work: Coroutine[Any, Any, None], patience: Patience) -> None:
        """Waits for the work, no longer than patience lasts, and cancels it then."""
        task = asyncio.ensure_future(work)
        lifecycle = self._lifecycle
        for seconds, until in (
            (patience.drain_s, lifecycle.until_hurried),
            (patience.hurry_s, lifecycle.until_quit),
            (patience.quit_s, None),
        ):
            impatience = asyncio.ensure_future(until()) if until else None
            waits = (task, impatience) if impatience else (task,)
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            out_of_patience = impatience is not None and impatience.done()
            if impatience is not None:
                impatience.cancel()
            if task.done() or not out_of_patience:
                break
        if task.done():
            task.result()
        else:
            task.cancel()
