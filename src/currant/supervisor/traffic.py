"""An execution's way through the node: from the claim to a child, and what comes back from there."""

import asyncio
from collections.abc import Callable

from currant.backends import NewExecution
from currant.executions import Ending, Execution
from currant.protocol.work import (
    CancelIds,
    Enqueue,
    FromChild,
    Inspected,
    Lend,
    Overrun,
    Pong,
    Recalled,
    Unwatch,
    Watch,
)
from currant.protocol.work import Outcomes as OutcomesFrame
from currant.store.enqueue import SOON_S
from currant.supervisor.cancels import Cancels
from currant.supervisor.child import Child, State
from currant.supervisor.claimer import Claimer
from currant.supervisor.dispatcher import Dispatcher
from currant.supervisor.events import Counts
from currant.supervisor.inspections import Inspections
from currant.supervisor.ledger import Ledger, Shut
from currant.supervisor.lifecycle import Lifecycle
from currant.supervisor.membership import Membership
from currant.supervisor.outcomes import Outcomes
from currant.supervisor.overruns import Overruns
from currant.supervisor.places import Role
from currant.supervisor.quarantine import Quarantine
from currant.supervisor.requests import Requests
from currant.supervisor.stalls import Stalls
from currant.supervisor.tally import Tally
from currant.supervisor.watches import Watches
from currant.supervisor.windows import Windows


class Traffic:
    """Takes what the claimer and the children bring, and hands it to the parts that it is for."""

    def __init__(
        self,
        lifecycle: Lifecycle,
        ledger: Ledger,
        counts: Counts,
        tally: Tally,
        *,
        claimer: Claimer,
        dispatcher: Dispatcher,
        outcomes: Outcomes,
        overruns: Overruns,
        cancels: Cancels,
        requests: Requests,
        watches: Watches,
        windows: Windows,
        membership: Membership,
        stalls: Stalls,
        quarantine: Quarantine,
        inspections: Inspections,
        dismiss: Callable[[int], None],
        slots: int,
        due_in: Callable[[float], None],
        seconds_until: Callable[[float], float],
        clock: Callable[[], float],
    ) -> None:
        """
        Args:
            dismiss: asks a child, which holds nothing any more, for its end.
            slots: how many executions a child runs at a time.
            due_in: told the seconds until an execution that was enqueued here is due.
            seconds_until: returns the seconds until a moment of the database's clock, in Unix time.
        """
        self._lifecycle, self._ledger, self._counts, self._tally = lifecycle, ledger, counts, tally
        self._claimer, self._dispatcher, self._outcomes = claimer, dispatcher, outcomes
        self._overruns, self._cancels, self._requests, self._watches = overruns, cancels, requests, watches
        self._windows = windows
        self._membership = membership
        self._stalls, self._quarantine, self._inspections = stalls, quarantine, inspections
        self._dismiss, self._slots, self._due_in, self._seconds_until = dismiss, slots, due_in, seconds_until
        self._clock = clock
        self._emptied = asyncio.Event()

    def dispatch(self, executions: list[Execution]) -> None:
        """Takes what was claimed."""
        self._counts.claimed += len(executions)
        self._tally.note_claimed(executions)
        executions = self._cancels.claimed(executions)
        if not self._lifecycle.takes_work:
            self._outcomes.release(executions)
        elif executions := self._quarantine.sift(executions):
            self._dispatcher.dispatch(executions)

    def child_ready(self, child: Child) -> None:
        self._stalls.watch(child)
        if child.role is Role.QUARANTINE:
            self._ledger.add_child(child.id, 1, self._clock())
            self._ledger.close(child.id, Shut.QUARANTINE)
            self._quarantine.look()
            return
        self._ledger.add_child(child.id, self._slots, self._clock())
        self._claimer.work_came()

    def child_sent(self, child: Child, message: FromChild) -> None:
        """Takes a child's message. Raises ProtocolError: the child may not ask for so much."""
        if isinstance(message, OutcomesFrame):
            self._finished(child.id, message)
        elif isinstance(message, Recalled):
            self.returned(self._ledger.give_back(child.id, message.cells))
        elif isinstance(message, Pong):
            self._tally.note_timings(child.id, message.timings)
            if not self._stalls.answered(child, message):
                return
        elif isinstance(message, Inspected):
            self._inspections.answered(child.id, message)
            return
        elif isinstance(message, Overrun):
            self._overruns.note(child.id, message.cell, Ending.TIMED_OUT)
        elif isinstance(message, Lend):
            self._ledger.lend(child.id, message.lent, self._clock())
            self._dispatcher.backlog_came()
        else:
            self._child_asked(child, message)
            return
        self._overruns.look(child.id)
        if child.state is State.LEAVING:
            self._dismiss_when_empty(child)
        if child.role is Role.QUARANTINE:
            self._quarantine.look()
        self._room_came()

    def recall_all(self) -> None:
        """Takes back everything that has not started."""
        self._dispatcher.recall_all()
        self._quarantine.dissolve()
        self._room_came()

    def child_leaves(self, child: Child) -> None:
        """It gets no new work, and is dismissed when it holds nothing any more."""
        self._ledger.close(child.id, Shut.LEAVING)
        self._dispatcher.recall(child.id)
        self._dismiss_when_empty(child)

    def child_died(self, child: Child, reason: str, by_fork_server: bool) -> None:
        """What ran is retried as a crash, unless it is the node's own doing; the rest goes back as it was."""
        overruns = self._overruns.take(child.id)
        self._stalls.forget(child.id)
        self._inspections.forget(child.id)
        started, unstarted = self._ledger.take_from(child.id, child.is_started)
        self._tally.note_end(child.id, started)
        child.cells.close()
        self._watches.forget(child)
        self._windows.forget(child)
        self._counts.child_deaths += child.replaced is None and not child.dismissed
        self._outcomes.overrun([(each, overruns[each.cell]) for each in started if each.cell in overruns])
        started = [each for each in started if each.cell not in overruns]
        if by_fork_server or child.dismissed or child.replaced is not None:
            unstarted += started
        else:
            self._outcomes.crash(started, "ChildDied", f"the child process that ran it ended: {reason}")
        self._outcomes.release(unstarted)
        self._room_came()

    def returned(self, executions: list[Execution]) -> None:
        """Takes what a child has not started, and will not."""
        back, lost = self._membership.sift(self._cancels.returned(executions))
        # Of the node that this one was until it was declared dead.
        self._outcomes.release(lost)
        if not self._lifecycle.takes_work:
            self._outcomes.release(back)
        elif back := self._quarantine.sift(back):
            self._dispatcher.returned(back)
        self._room_came()

    def enqueued(self, executions: list[NewExecution]) -> None:
        """Children's enqueues are committed: this node need not wait for its own notification."""
        waits = [
            each.delay_s if each.run_at_s is None else self._seconds_until(each.run_at_s)
            for each in executions
            if each.delay_s is not None or each.run_at_s is not None
        ]
        soon = [wait_s for wait_s in waits if wait_s is not None and wait_s <= SOON_S]
        if soon:
            self._due_in(min(soon))
        if len(waits) < len(executions) or (soon and min(soon) <= 0):
            self._claimer.work_came()

    def saved(self, count: int, size: int) -> None:
        """So many outcomes are in the database."""
        self._ledger.settle(count, size)
        self._watches.saved()
        self._claimer.room_came()

    async def until_empty(self) -> None:
        """Waits until no child holds anything."""
        while self._ledger.held:
            self._emptied.clear()
            await self._emptied.wait()

    def _finished(self, child: int, message: OutcomesFrame) -> None:
        now = self._clock()
        if message.done:
            self._outcomes.done(self._ledger.finish_done(child, message.done, now))
        if message.outcomes:
            self._outcomes.finished(self._ledger.finish(child, message.outcomes, now))
        self._ledger.note_spent(child, message.spent_s)
        self._tally.note_timings(child, message.timings)

    def _dismiss_when_empty(self, child: Child) -> None:
        if not self._ledger.cells_of(child.id):
            self._dismiss(child.id)

    def _child_asked(self, child: Child, message: FromChild) -> None:
        """What its executions ask for, also during a drain."""
        if isinstance(message, Enqueue | CancelIds):
            self._requests.add(message, self._windows.open(child, message))
        elif isinstance(message, Watch):
            self._watches.watch(child, message.ids)
        elif isinstance(message, Unwatch):
            self._watches.unwatch(child, message.ids)

    def _room_came(self) -> None:
        self._claimer.room_came()
        if not self._ledger.held:
            self._emptied.set()
