"""The node's connections: which statement runs on which, and how each is repeated."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from currant.backends import Ended, Enqueued, NewExecution
from currant.errors import DatabaseUnreachable
from currant.executions import Execution, Status, Verdict
from currant.protocol.control import Schedule
from currant.store import migrate, parking, queries, retention
from currant.store import pauses as store_pauses
from currant.store import schedules as store_schedules
from currant.store.channels import Subscription, node_channel, subscribe
from currant.store.connections import STATEMENT_S, Connection, Session, Standing
from currant.store.enqueue import enqueue, enqueue_again
from currant.store.figures import QueueFigures, queue_figures
from currant.store.queries import Claim, Position, Promotion, Tick
from currant.store.retention import Keep, Pruned, Range
from currant.store.schedules import Found, Plan
from currant.store.usage import Usage
from currant.supervisor.claimer import CLAIM_BYTES_MAX
from currant.supervisor.pauses import Pauses
from currant.supervisor.tick import PIECE_ROWS

#: The connections, as the database is told their names.
CONNECTION_PREFIX = "currantd:"
CONNECTIONS = ("claim", "complete", "listen", "utility", "upkeep")
CLAIM_NAME, COMPLETE_NAME, LISTEN_NAME, UTILITY_NAME, UPKEEP_NAME = (
    f"{CONNECTION_PREFIX}{each}" for each in CONNECTIONS
)
#: Nobody may need them again for long, well or not.
ON_DEMAND = frozenset({UTILITY_NAME, UPKEEP_NAME})
#: The connections that are made on demand are closed when nobody has used them for so long.
UTILITY_IDLE_S, RECLAIM_IDLE_S = 60.0, 2.0
#: A reclaim scans the table, whatever its size.
RECLAIM_STATEMENT_S = 600.0
#: One look at the results that are waited for brings so many, or the first.
RESULT_BYTES_MAX = 8 << 20
#: After so long, by the database's clock, a claim has taken effect or never will.
CLAIM_VALID_S = STATEMENT_S + 5.0
#: How much of a queue `status` counts.
COUNT_ROWS_MAX = 10_000
T = TypeVar("T")
Finish = Callable[[Connection, list[Execution], list[bytes]], Awaitable[int]]


class Database:
    """One node's view of the database: three connections, a fourth now and then, a fifth for reclaims and prunes."""

    def __init__(
        self,
        url: str,
        *,
        payload_bytes_max: int,
        heartbeat_timeout_s: float,
        discard: bool,
        pauses: Pauses,
        lost: Callable[[str, str], None],
        regained: Callable[[str, float], None],
        clock: Callable[[], float],
    ) -> None:
        """`lost` and `regained` hear of each connection's end and return.

        Args:
            discard: whether executions are deleted when they succeed, but for those whose options say otherwise.
            pauses: told what the database says of them.
        """
        self._clock, self._pauses = clock, pauses
        self._clock_offset_s = 0.0
        self._url = url
        self._payload_bytes_max = payload_bytes_max
        self._heartbeat_timeout_s = heartbeat_timeout_s
        self._discard = discard
        self._lost, self._regained = lost, regained
        self._standing = Standing()
        self._sessions: list[Session] = []
        #: What all of the connections have sent.
        self.usage = Usage()
        self._claim = self._session(CLAIM_NAME, hot=True)
        self._complete = self._session(COMPLETE_NAME, hot=True)
        #: What the children ask for, and counts.
        self._utility = _OnDemand(self._session(UTILITY_NAME, hot=True), UTILITY_IDLE_S)
        #: Of its own: what scans the table is not to hold up the children.
        self._upkeep = _OnDemand(self._session(UPKEEP_NAME, statement_s=RECLAIM_STATEMENT_S), RECLAIM_IDLE_S)
        self.node = ""
        self.queues: list[str] = []
        #: When the last tick was sent that was answered, by our clock.
        self.ticked_at: float | None = None

    @property
    def open_queues(self) -> list[str]:
        """The node's queues, without those that are paused."""
        return self._pauses.open_of(self.queues)

    @property
    def paused_queues(self) -> list[str]:
        """The node's queues that are paused, as far as it knows, by name."""
        return self._pauses.paused

    async def check(self) -> None:
        """Connects once. Raises DatabaseUnreachable, DatabaseError, or SchemaError when `currant migrate` is due."""
        await self._complete.once(migrate.check)

    async def claim(self, rows: int, look: int, after: Position | None, plenty: bool) -> Claim:
        """Claims, or does not when this takes effect later than CLAIM_VALID_S from now.

        Raises:
            DatabaseUnreachable: it is not known whether executions were claimed, or will be, within that time.
            StatementRefused: nothing was claimed.
        """
        until_s = self.now() + CLAIM_VALID_S
        node = self.node
        claim = await self._claim.once(
            lambda connection: queries.claim(
                connection,
                node=self.node,
                queues=self.open_queues,
                rows=rows,
                look=look,
                bytes_max=CLAIM_BYTES_MAX,
                payload_bytes_max=self._payload_bytes_max,
                until_s=until_s,
                discard=self._discard,
                after=after,
                plenty=plenty,
            ),
        )
        # Those of a node that was declared dead meanwhile are whoever's takes them back.
        return claim if node == self.node else claim._replace(executions=[], unread=None)

    async def pause_claims(self) -> None:
        await self._claim.pause()

    async def complete(self, results: list[tuple[Execution, bytes]]) -> int:
        return await self._finish(queries.complete, results)

    async def discard(self, results: list[tuple[Execution, bytes]]) -> int:
        return await self._finish(retention.discard, results)

    async def settle(self, verdicts: list[Verdict]) -> int:
        return await self._complete.insist(lambda connection: queries.settle(connection, verdicts))

    async def park(self, executions: list[Execution]) -> int:
        return await self._complete.insist(lambda connection: parking.park(connection, executions))

    async def late(self, executions: list[Execution], statuses: list[Status | None]) -> list[str]:
        return await self._complete.insist(lambda connection: queries.late(connection, executions, statuses))

    async def tick(self, scheduled: Sequence[str], moments: Sequence[float]) -> Tick:
        """Ticks.

        Args:
            scheduled: functions whose schedules are watched.
            moments: to which the functions that the node knows are parked.

        Raises:
            DatabaseUnreachable, StatementRefused.
        """

        async def statement(connection: Connection) -> Tick:
            sent_at, question, queues = self._clock(), self._pauses.ask(), self.queues
            tick = await queries.tick(
                connection,
                node=self.node,
                queues=queues,
                timeout_s=self._heartbeat_timeout_s,
                scheduled=scheduled,
                moments=moments,
            )
            self._set_clock(tick.clock_s, sent_at)
            if tick.alive:
                self._pauses.answer(question, queues, tick.paused)
            self.ticked_at = sent_at
            return tick

        return await self._complete.once(statement)

    async def promote(self) -> Promotion:
        return await self._complete.insist(
            lambda connection: queries.promote(connection, queues=self.queues, rows=PIECE_ROWS)
        )

    def now(self) -> float:
        """Returns the database's clock, in Unix time: ahead of it by the last tick's way at most, never behind."""
        return self._clock() + self._clock_offset_s

    async def sync_schedules(self, plans: Sequence[Plan], schedules: Sequence[Schedule]) -> Found:
        """Raises DatabaseUnreachable, StatementRefused."""
        executions = [each.execution for each in schedules]
        # Nodes that start at once wait for each other's rows here: not where outcomes are written.
        try:
            return await self._upkeep.session().once(
                lambda connection: store_schedules.sync(connection, plans, executions)
            )
        finally:
            self._upkeep.close_now()

    async def fire_schedules(self, plans: Sequence[Plan], nexts: Sequence[float]) -> Found:
        """Raises DatabaseUnreachable: it may have fired, and fires nothing twice. Raises StatementRefused."""
        return await self._complete.once(lambda connection: store_schedules.fire(connection, plans, nexts))

    async def register(self, node: str, metadata: dict[str, object]) -> None:
        """Becomes this node."""

        async def statement(connection: Connection) -> None:
            sent_at, question, queues = self._clock(), self._pauses.ask(), self.queues
            clock_s, paused = await queries.register(connection, node=node, queues=queues, metadata=metadata)
            self._set_clock(clock_s, sent_at)
            self._pauses.answer(question, queues, paused)

        await self._complete.insist(statement)
        self.node = node

    async def look_at_pauses(self) -> None:
        """Has the database say which of the node's queues are paused. Raises StatementRefused."""

        async def statement(connection: Connection) -> None:
            question, queues = self._pauses.ask(), self.queues
            self._pauses.answer(question, queues, await store_pauses.paused_of(connection, queues))

        await self._complete.insist(statement)

    async def deregister(self, *, doubt: bool) -> None:
        """Raises DatabaseUnreachable."""
        await self._complete.once(lambda connection: queries.deregister(connection, node=self.node, doubt=doubt))

    async def unpark(self, functions: Sequence[str], rows: int) -> int:
        """Makes a piece of what was parked for want of these functions pending; returns how many that were."""
        count = await self._insist_upkeep(
            lambda connection: parking.unpark(connection, queues=self.queues, functions=functions, rows=rows)
        )
        if count < rows:
            # The last piece: an idle node has three connections.
            self._upkeep.close_now()
        return count

    async def declare_dead(self, known: Sequence[str] = ()) -> list[str]:
        """Raises DatabaseUnreachable, StatementRefused: once, for after an outage every heartbeat is old."""
        return await self._upkeep.session().once(
            lambda connection: queries.declare_dead(
                connection, node=self.node, timeout_s=self._heartbeat_timeout_s, known=known
            ),
        )

    async def prune_ranges(self, newest_s: float) -> list[Range]:
        return await self._insist_upkeep(lambda connection: retention.prune_ranges(connection, newest_s=newest_s))

    async def prune(self, where: Range, keep: Keep, rows: int) -> Pruned:
        return await self._insist_upkeep(lambda connection: retention.prune(connection, where, keep=keep, rows=rows))

    async def prune_dead(self, keep: Keep, rows: int) -> int:
        return await self._insist_upkeep(lambda connection: retention.prune_dead(connection, keep=keep, rows=rows))

    async def reclaimed(self, nodes: list[str]) -> None:
        await self._insist_upkeep(lambda connection: queries.reclaimed(connection, nodes))

    async def held(self, nodes: list[str], *, rows: int) -> list[Execution]:
        """Returns what these nodes hold by the database's word, at most `rows`."""
        return await self._insist_upkeep(lambda connection: queries.held(connection, nodes, rows=rows))

    async def cancels_asked(self, ids: list[str]) -> set[str]:
        """Returns those of these executions that run and are to be cancelled."""
        asked = await self._insist_upkeep(lambda connection: queries.cancels_asked(connection, ids))
        # Asked once after each LISTEN, and one is at the start: an idle node has three connections.
        self._upkeep.close_now()
        return asked

    async def waiting(self) -> tuple[QueueFigures, dict[str, int]]:
        """Returns what is in the queues, and what is parked by function.

        Raises DatabaseUnreachable, StatementRefused.
        """
        figures = await self.queue_figures(COUNT_ROWS_MAX)
        parked = await self._utility.session().once(
            lambda connection: parking.parked(connection, queues=self.queues, rows=COUNT_ROWS_MAX),
        )
        return figures, parked

    async def queue_figures(self, limit: int) -> QueueFigures:
        """Returns what is in the node's queues, counted up to `limit`. Raises DatabaseUnreachable, StatementRefused."""
        return await self._utility.session().once(
            lambda connection: queue_figures(connection, queues=self.queues, limit=limit)
        )

    async def enqueue(self, ids: Sequence[str], executions: Sequence[NewExecution], *, doubt: bool) -> list[Enqueued]:
        """Inserts executions, all or none; `doubt`: they may have been inserted before.

        Raises:
            DatabaseUnreachable: whether they are inserted is not known.
            StatementRefused: they are not.
        """
        write = enqueue_again if doubt else enqueue
        return await self._utility.session().once(lambda connection: write(connection, ids, executions))

    async def cancel(self, ids: Sequence[str], *, doubt: bool) -> set[str]:
        """Cancels executions and returns which were cancelled; `doubt`: they may have been before, by us.

        Raises:
            DatabaseUnreachable: whether they are cancelled is not known.
            StatementRefused: they are not.
        """
        cancelled = await self._utility.session().once(lambda connection: queries.cancel(connection, ids))
        if doubt:
            left = [id for id in ids if id not in cancelled]
            cancelled |= {each.id for each in await self.ended(left) if each.status == Status.CANCELLED}
        return cancelled

    async def ended(self, ids: Sequence[str]) -> list[Ended]:
        """Returns those of these executions that have ended or are not there, in their order, and the others later.

        Raises DatabaseUnreachable, StatementRefused.
        """
        return await self._utility.session().once(
            lambda connection: queries.ended(connection, ids, bytes_max=RESULT_BYTES_MAX)
        )

    async def pause_upkeep(self) -> None:
        await self._upkeep.session().pause()

    async def pause_utility(self) -> None:
        await self._utility.session().pause()

    def due_in(self, at_s: float) -> float:
        """Returns in how many seconds it is that moment, in Unix time, by the database's clock."""
        return at_s - self._clock() - self._clock_offset_s

    async def subscribe(self) -> Subscription:
        """Raises DatabaseError."""
        channels = [*self.queues, node_channel(self.node)]
        try:
            async with asyncio.timeout(STATEMENT_S):
                return await subscribe(self._url, LISTEN_NAME, channels, usage=self.usage)
        except TimeoutError:
            raise DatabaseUnreachable(f"no answer within {STATEMENT_S:g} s") from None

    def own_channel(self) -> str:
        return node_channel(self.node)

    @property
    def overdue(self) -> str | None:
        """The name of a connection whose statement goes on although its limit has passed long ago, if there is one."""
        return next((session.name for session in self._sessions if session.overdue), None)

    def cut(self) -> None:
        """Ends the statements that are under way, without asking the server: it may not answer."""
        for session in self._sessions:
            session.cut()

    async def close(self) -> None:
        for session in self._sessions:
            await session.close()

    def _session(self, name: str, *, hot: bool = False, statement_s: float = STATEMENT_S) -> Session:
        session = Session(
            self._url,
            name,
            hot=hot,
            lost=self._note_loss,
            regained=self._regained,
            statement_s=statement_s,
            standing=self._standing,
            usage=self.usage,
        )
        self._sessions.append(session)
        return session

    def _note_loss(self, name: str, reason: str) -> None:
        """One that is lost casts doubt on those that are idle: their next statement is not to wait for a server that is
        gone, nor to be told in the log as another loss."""
        for session in (self._claim, self._complete):
            if not session.busy:
                session.drop()
        self._utility.close_now()
        self._upkeep.close_now()
        self._lost(name, reason)

    async def _finish(self, statement: Finish, results: list[tuple[Execution, bytes]]) -> int:
        executions = [execution for execution, _ in results]
        bodies = [body for _, body in results]
        return await self._complete.insist(lambda connection: statement(connection, executions, bodies))

    async def _insist_upkeep(self, statement: Callable[[Connection], Awaitable[T]]) -> T:
        return await self._upkeep.session().insist(statement)

    def _set_clock(self, database_s: float, sent_at: float) -> None:
        # From the moment of sending: the offset is then, if anything, too large, and a claim valid a little longer.
        self._clock_offset_s = database_s - sent_at


class _OnDemand:
    """A session whose connection is closed when it has not been used for a while."""

    def __init__(self, session: Session, idle_s: float) -> None:
        self._session, self._idle_s = session, idle_s
        self._used_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def session(self) -> Session:
        """Returns the session for a statement."""
        loop = asyncio.get_running_loop()
        self._used_at = loop.time()
        if self._timer is None:
            self._timer = loop.call_later(self._idle_s, self._look)
        return self._session

    def close_now(self) -> None:
        """Closes the connection unless a statement is under way."""
        if not self._session.busy:
            self._session.drop()

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        idle_at = self._used_at + self._idle_s
        if self._session.busy or loop.time() < idle_at:
            self._timer = loop.call_at(max(idle_at, loop.time() + self._idle_s / 2), self._look)
        else:
            self._timer = None
            self._session.drop()
