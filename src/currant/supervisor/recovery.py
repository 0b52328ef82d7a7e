"""Taking back what was lost: dead nodes' executions, and claims of our own whose answer never came."""

import asyncio
from collections.abc import Callable

from currant.errors import DatabaseUnreachable, StatementRefused
from currant.executions import Execution
from currant.supervisor.claimer import Claimer
from currant.supervisor.completer import Completer
from currant.supervisor.database import CLAIM_VALID_S, Database
from currant.supervisor.events import Counts, Event, Log
from currant.supervisor.ledger import Ledger
from currant.supervisor.outcomes import Outcomes

#: The pieces in which executions are taken back.
PIECE_ROWS = 10_000
#: After the moment when no claim can take effect late any more.
MARGIN_S = 2.0


class Recovery:
    """Runs beside the pipeline, which goes on meanwhile."""

    def __init__(
        self,
        database: Database,
        ledger: Ledger,
        completer: Completer,
        claimer: Claimer,
        outcomes: Outcomes,
        counts: Counts,
        *,
        log: Log,
        refused: Callable[[str], None],
        clock: Callable[[], float],
    ) -> None:
        """`refused` is told why the database refuses a statement; it is tried again."""
        self._database, self._ledger, self._completer = database, ledger, completer
        self._claimer, self._outcomes, self._counts = claimer, outcomes, counts
        self._log, self._refused, self._clock = log, refused, clock
        self._reclaiming = False
        #: Until then executions may turn up as claimed by this node that it does not know of.
        self._doubt_until: float | None = None
        self._claim_lost = asyncio.Event()

    @property
    def in_doubt(self) -> bool:
        """Whether this node may hold executions, by the database's word, that it does not know of."""
        return self._doubt_until is not None

    async def reclaim(self, known: tuple[str, ...] = ()) -> None:
        """Takes back what dead nodes held, `known` ones besides those whose heartbeat is too old."""
        if self._reclaiming:
            return
        self._reclaiming = True
        try:
            # Those known to be dead are so after an outage, too; who else is, a later tick must say.
            while not await self._reclaim_once(known) and known:
                await self._database.pause_upkeep()
        finally:
            self._reclaiming = False

    async def _reclaim_once(self, known: tuple[str, ...]) -> bool:
        """Returns whether the database said who is dead."""
        try:
            nodes = await self._database.declare_dead(known)
            if nodes:
                taken = await self._take_back(nodes)
                if not taken & self._completer.leases():
                    # Else someone holds rows of theirs locked: the mark stays, for the next tick, whoever's it is.
                    await self._database.reclaimed(nodes)
                self._counts.reclaimed += len(taken)
                self._log.warning(Event.RECLAIMED, nodes=nodes, executions=len(taken))
        except StatementRefused as error:
            # The tick finds the dead again.
            self._refused(str(error))
        except DatabaseUnreachable:
            return False
        return True

    def claim_lost(self) -> None:
        """Notes that a claim may have been made, or will be, unseen."""
        self._doubt_until = self._clock() + CLAIM_VALID_S
        self._claim_lost.set()

    async def find_lost_claims(self) -> None:
        """After each lost claim looks at once, for what was cut off after its commit, and once more when none can take
        effect late any more. Sleeps otherwise."""
        while True:
            await self._claim_lost.wait()
            self._claim_lost.clear()
            while self._doubt_until is not None:
                await self._look()

    async def _look(self) -> None:
        began = self._clock()
        try:
            await self._release_lost_claims()
        except StatementRefused as error:
            self._refused(str(error))
            await asyncio.sleep(MARGIN_S)
            return
        assert self._doubt_until is not None
        if began > self._doubt_until + MARGIN_S / 2:
            self._doubt_until = None
            return
        try:
            async with asyncio.timeout(self._doubt_until - self._clock() + MARGIN_S):
                await self._claim_lost.wait()
            self._claim_lost.clear()
        except TimeoutError:
            pass

    async def _take_back(self, nodes: list[str]) -> set[tuple[str, int]]:
        """Returns (id, lease) of what was taken back."""
        reason = f"the node that ran it ended: {', '.join(nodes)}"
        taken: set[tuple[str, int]] = set()
        while True:
            held = await self._database.held(nodes, rows=PIECE_ROWS)
            # What was taken before and is held still is what the database refuses to write: not for ever.
            written = taken | self._completer.leases()
            new = [execution for execution in held if (execution.id, execution.lease) not in written]
            if not new:
                return taken
            taken |= {(execution.id, execution.lease) for execution in new}
            self._outcomes.lost(new, reason)
            await self._completer.flushed()

    async def _release_lost_claims(self) -> None:
        if not (suspects := await self._unknown_claims()):
            return
        # Of these, the claim under way may not have been heard of yet; when it is over, what is left is lost.
        await self._claimer.claim_over()
        again = await self._unknown_claims()
        leases = {(execution.id, execution.lease) for execution in suspects}
        lost = [execution for execution in again if (execution.id, execution.lease) in leases]
        if lost:
            self._log.warning(Event.FOUND, executions=len(lost))
            self._outcomes.release(lost)

    async def _unknown_claims(self) -> list[Execution]:
        """Returns what this node has claimed by the database's word, and neither a child nor the completer knows of."""
        before = self._known_leases()
        held = await self._database.held([self._database.node], rows=PIECE_ROWS + 2 * len(before))
        known = before | self._known_leases()
        return [execution for execution in held if (execution.id, execution.lease) not in known]

    def _known_leases(self) -> set[tuple[str, int]]:
        return self._ledger.leases() | self._completer.leases()
