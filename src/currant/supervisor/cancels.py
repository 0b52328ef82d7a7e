"""Cancels of what runs here: from the node's own channel to the child that runs it, wherever it is on its way."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from currant.errors import StatementRefused
from currant.executions import Ending, Execution
from currant.protocol.work import Cancel
from currant.supervisor.database import CLAIM_VALID_S
from currant.supervisor.ledger import Ledger

#: How long a cancelled execution may take to end before it counts as one that nothing can end.
END_S = 3.0


class Cancels:
    """The executions that someone asked to cancel and that have not ended yet."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        send: Callable[[int, Cancel], None],
        is_started: Callable[[int, int], bool],
        is_claiming: Callable[[], bool],
        claim_over: Callable[[], Awaitable[None]],
        ask: Callable[[list[str]], Awaitable[set[str]]],
        end: Callable[[list[Execution]], None],
        overdue: Callable[[int, int, Ending], None],
        spawn: Callable[[Coroutine[Any, Any, None], str], None],
        refused: Callable[[str], None],
        clock: Callable[[], float],
    ) -> None:
        """
        Args:
            send: sends to a child.
            is_started: whether the execution in a child's cell has been started.
            is_claiming: whether a claim is under way, and `claim_over` returns when it is dispatched.
            ask: returns which of these executions are to be cancelled, by the database's word.
            end: takes what was cancelled before it started.
            overdue: told of a child's cell that does not end.
            spawn: runs a coroutine beside everything else.
            refused: told why the database refuses to say.
        """
        self._ledger, self._send, self._is_started = ledger, send, is_started
        self._is_claiming, self._claim_over, self._ask = is_claiming, claim_over, ask
        self._end, self._overdue, self._spawn, self._refused, self._clock = end, overdue, spawn, refused, clock
        #: The leases of those that children were told to cancel, by id, until they are checked.
        self._sent: dict[str, int] = {}
        #: Those that were found nowhere, and until when the claim that is under way may bring them.
        self._missed: dict[str, float] = {}
        self._lost_some = self._looking = False

    def asked(self, ids: set[str]) -> None:
        """Someone asked to cancel these, which run here by the database's word."""
        aside = self._ledger.take_aside(ids)
        if aside:
            self._end(aside)
        found = self._ledger.find(ids)
        cells: dict[int, list[int]] = {}
        leases: dict[str, int] = {}
        for child, execution in found:
            if self._sent.get(execution.id) != execution.lease:
                cells.setdefault(child, []).append(execution.cell)
                leases[execution.id] = execution.lease
        self._watch(leases)
        for child, theirs in cells.items():
            self._send(child, Cancel(theirs, Ending.CANCELLED))
        if self._is_claiming():
            until = self._clock() + CLAIM_VALID_S
            self._missed.update(
                dict.fromkeys(ids - {execution.id for _, execution in found} - {each.id for each in aside}, until)
            )

    def claimed(self, executions: list[Execution]) -> list[Execution]:
        """Takes what a claim brought, ends what was cancelled before it came, and returns the others."""
        if not self._missed:
            return executions
        now = self._clock()
        missed = {id for id, until in self._missed.items() if now < until}
        # Whoever is cancelled from here on is found: the claim came after the notification.
        self._missed.clear()
        return self._sift(executions, lambda each: each.id in missed)

    def returned(self, executions: list[Execution]) -> list[Execution]:
        """Takes what a child gave back unstarted, ends what it was told to cancel, and returns the others."""
        if not self._sent:
            return executions
        return self._sift(executions, lambda each: self._sent.get(each.id) == each.lease)

    def listening(self) -> None:
        """Notifications may have been lost before: the database is asked, when something is held or will be."""
        if not self._ledger.held and not self._is_claiming():
            return
        self._lost_some = True
        if not self._looking:
            self._looking = True
            self._spawn(self._look(), "look for cancels")

    async def _look(self) -> None:
        try:
            while self._lost_some:
                self._lost_some = False
                # What it brings may have been cancelled before we listened.
                await self._claim_over()
                if ids := self._ledger.ids():
                    self.asked(await self._ask(ids))
        except StatementRefused as error:
            self._refused(str(error))
        finally:
            self._looking = False

    def _sift(self, executions: list[Execution], is_cancelled: Callable[[Execution], bool]) -> list[Execution]:
        self._end([each for each in executions if is_cancelled(each)])
        return [each for each in executions if not is_cancelled(each)]

    def _watch(self, leases: dict[str, int]) -> None:
        if leases:
            self._sent.update(leases)
            asyncio.get_running_loop().call_later(END_S, self._check, leases)

    def _check(self, leases: dict[str, int]) -> None:
        """Looks at what was to be cancelled a while ago."""
        for id, lease in leases.items():
            if self._sent.get(id) == lease:
                del self._sent[id]
        unstarted: dict[str, int] = {}
        for child, execution in self._ledger.find(leases):
            if leases[execution.id] != execution.lease:
                continue
            if self._is_started(child, execution.cell):
                self._overdue(child, execution.cell, Ending.CANCELLED)
            else:
                # Its child does not answer: it is busy, and will.
                unstarted[execution.id] = execution.lease
        self._watch(unstarted)
