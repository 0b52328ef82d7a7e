"""How the node is, for those who ask, and the log's word on its connections."""

import asyncio
import os
from collections import deque
from collections.abc import Callable
from dataclasses import asdict

from currant.errors import DatabaseError
from currant.protocol.status import ChildStatus, StatusReply, StatusRequest
from currant.store.figures import QueueFigures
from currant.supervisor.child import Child
from currant.supervisor.children import Children
from currant.supervisor.database import ON_DEMAND, Database
from currant.supervisor.events import Counts, Event, Log
from currant.supervisor.functions import functions_of
from currant.supervisor.ledger import Ledger
from currant.supervisor.lifecycle import Lifecycle
from currant.supervisor.load import load_of
from currant.supervisor.rate import Rate
from currant.supervisor.recent import RecentErrors
from currant.supervisor.repeats import Repeats
from currant.supervisor.stalls import Stalls
from currant.supervisor.tally import Tally

QUERY_S = 3.0
#: Rates are of at least so many seconds.
SAMPLE_S = 1.0
#: What is refused is tried again: a row that somebody has locked passes, a mistake comes so often within so long.
REFUSALS_MIN, REFUSAL_S = 3, 60.0


class Connections:
    """Which connections are lost, and why.

    The log has a line when the first one is lost and a line when all of them are back: an outage of the database is one
    thing, however many connections it ends, and however often they are tried.
    """

    def __init__(self, log: Log, clock: Callable[[], float]) -> None:
        self._log, self._clock = log, clock
        self._refusals = Repeats(clock)
        #: When the last few were.
        self._refused_at: deque[float] = deque(maxlen=REFUSALS_MIN)
        self._refusal = ""
        self.lost: dict[str, str] = {}
        #: How many losses there have been, of any connection.
        self.losses = 0
        #: Of the outage under way: its connections, in the order of their loss, and when it began.
        self._outage: dict[str, None] = {}
        self._began = 0.0
        #: At the start there is one line for all of them: that the database is waited for.
        self.silent = True

    def note_loss(self, name: str, reason: str) -> None:
        if not self._outage:
            self._began = self._clock()
            if not self.silent:
                self._log.warning(Event.CONNECTION_LOST, connection=name, reason=reason)
        if self._outage or name not in ON_DEMAND:
            self._outage[name] = None
        self.losses += name not in self.lost
        self.lost[name] = reason

    def note_return(self, name: str, seconds: float) -> None:
        if self.lost.pop(name, None) is None:
            return
        came_back = list(self._outage) or [name]
        if self._outage:
            if self.lost.keys() - ON_DEMAND:
                return
            # Those that are made on demand are made when there is one.
            self._outage.clear()
            self.lost.clear()
            seconds = self._clock() - self._began
        if not self.silent:
            self._log.info(Event.CONNECTION_REGAINED, connections=came_back, seconds=round(seconds, 1))

    def note_refusal(self, reason: str) -> None:
        """The database refuses a statement that is tried again."""
        self._refused_at.append(self._clock())
        self._refusal = reason
        more = self._refusals.admit(Event.STATEMENT_REFUSED)
        if more is not None:
            self._log.error(Event.STATEMENT_REFUSED, reason=reason, more=more)

    @property
    def refused(self) -> str | None:
        """What the database says of statements that it goes on refusing; None: it does not, or did once or twice."""
        goes_on = len(self._refused_at) == REFUSALS_MIN and self._clock() - self._refused_at[0] <= REFUSAL_S
        return self._refusal if goes_on else None


class Report:
    """Answers `currantctl status`."""

    def __init__(
        self,
        database: Database,
        ledger: Ledger,
        children: Children,
        counts: Counts,
        connections: Connections,
        stalls: Stalls,
        *,
        tally: Tally,
        recent: RecentErrors,
        lifecycle: Lifecycle,
        clock: Callable[[], float],
    ) -> None:
        self._database, self._ledger, self._children = database, ledger, children
        self._counts, self._connections, self._stalls = counts, connections, stalls
        self._tally, self._recent = tally, recent
        self._lifecycle, self._clock = lifecycle, clock
        self._started_at = clock()
        self._question: asyncio.Future[tuple[QueueFigures, dict[str, int]]] | None = None
        self._completed, self._sent = Rate(clock, SAMPLE_S), Rate(clock, SAMPLE_S)

    async def status(self, request: StatusRequest) -> StatusReply:
        """Returns the state of the node; what only the database knows is None when it does not answer."""
        figures, parked = await self._ask_database() if request.waiting else (None, None)
        queues = None if figures is None else figures.queues
        executions = asdict(self._counts)
        for other in ("child_deaths", "stalls"):
            del executions[other]
        now = self._clock()
        return StatusReply(
            node=self._database.node,
            pid=os.getpid(),
            phase=self._lifecycle.phase,
            uptime_s=now - self._started_at,
            queues=self._database.queues,
            children=[self._of_child(child, now) for child in self._children]
            + [
                ChildStatus(place.number, None, place.state, 0, 0, 0, 0, role=place.role)
                for place in self._children.empty_places
            ],
            executions=executions,
            child_deaths=self._counts.child_deaths,
            unsaved=self._ledger.unsaved,
            completed_per_s=self._completed.per_s(self._counts.completed),
            statements_per_s=self._sent.per_s(self._database.usage.calls),
            connections_lost=dict(self._connections.lost),
            pending=None if queues is None else {each.name: each.pending for each in queues},
            scheduled=None if queues is None else {each.name: each.scheduled for each in queues},
            oldest_s=None if queues is None else {each.name: each.oldest_s for each in queues if each.pending},
            count_max=0 if figures is None else figures.limit,
            parked=parked,
            suspects=self._ledger.aside,
            degraded=self._lifecycle.degraded,
            paused=self._database.paused_queues,
            statements=self._database.usage.snapshot(),
            connection_errors=self._connections.losses,
            functions=functions_of(self._tally),
            errors=self._recent.newest(),
            refused=self._connections.refused,
            drained=self._lifecycle.drained,
        )

    def _of_child(self, child: Child, now: float) -> ChildStatus:
        held = self._ledger.of_child(child.id)
        load = load_of(child, held[0], now)
        return ChildStatus(
            child.place,
            child.pid,
            child.state,
            *held,
            child.id,
            child.role,
            child.generation.number,
            *self._stalls.of_child(child.id),
            busy_slot_s=load.busy_slot_s,
            slot_s=load.slot_s,
            cpu_s=load.cpu_s,
            memory_bytes=load.memory_bytes,
        )

    async def _ask_database(self) -> tuple[QueueFigures | None, dict[str, int] | None]:
        """Returns what is in the queues and what is parked, or None when the database does not say so in time."""
        if self._question is None or self._question.done():
            self._question = asyncio.ensure_future(self._database.waiting())
        # It is not cancelled: on a connection that hangs, that takes longer than whoever asks for the status waits.
        await asyncio.wait((self._question,), timeout=QUERY_S)
        try:
            return self._question.result()
        except (asyncio.InvalidStateError, DatabaseError):
            return None, None
