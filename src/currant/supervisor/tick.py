"""The node's tick: one small statement every 5 s, and what its flags ask for, in bounded pieces."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from currant.errors import DatabaseUnreachable, NoAnswer, StatementRefused
from currant.store.queries import Promotion, Tick

TICK_S = 5.0
RETRY_S = 0.5
PIECE_ROWS = 1000
#: A tick waits for its turn on the connection behind a few statements, each of which has a limit of its own.
OVERDUE_S = 120.0


class Ticker:
    """Ticks, and says what to do.

    Reclaims others only after its own ticks ran unbroken for one timeout, by the database's clock: every heartbeat is
    old after an outage of the database, a host's sleep, or a jump of that clock.
    """

    def __init__(
        self,
        *,
        tick: Callable[[], Awaitable[Tick]],
        timeout_s: float,
        echoes: Callable[[], int | None],
        silent: Callable[[], None],
        unanswered: Callable[[], None],
        waiting: Callable[[], None],
        due_in: Callable[[float], None],
        schedule: Callable[[float | None], None],
        parked: Callable[[], None],
        reclaim: Callable[[], None],
        fenced: Callable[[], Awaitable[None]],
        refused: Callable[[str], None],
    ) -> None:
        """
        Args:
            tick: runs the statement, once.
            timeout_s: the age of a heartbeat that makes a node dead.
            echoes: how many probes have come back through LISTEN, None while it is being set up.
            silent: called when one has not come back.
            unanswered: called when the server did not answer in time: LISTEN may hang as well.
            waiting: something is pending.
            due_in: the seconds until the next scheduled execution.
            schedule: the first moment of the node's schedules, in Unix time, None without any.
            parked: something is parked of functions that the node knows.
            reclaim: there is a dead node.
            fenced: this node is dead to the others; returns when it is registered anew.
            refused: told why the database refuses the statement.
        """
        self._refused, self._schedule, self._parked = refused, schedule, parked
        self._tick, self._timeout_s = tick, timeout_s
        # Whoever misses no more than this between two ticks can have let nobody's heartbeat grow too old by itself:
        # with a timeout of 11 s or more. With less, a stop of the whole machine may look like a death.
        self._gap_s = max(TICK_S + 1.0, timeout_s / 2)
        self._echoes, self._silent, self._unanswered = echoes, silent, unanswered
        self._waiting, self._due_in, self._reclaim, self._fenced = waiting, due_in, reclaim, fenced
        #: By the database's clock: the first of an unbroken row of ticks, and the last.
        self._unbroken_since: float | None = None
        self._ticked_at = 0.0
        self._echoes_before: int | None = None
        #: When the tick under way will have taken too long, by the loop's clock.
        self._over_at = float("inf")

    @property
    def overdue(self) -> bool:
        """Whether a tick is under way that should have ended long ago, well or not."""
        return asyncio.get_running_loop().time() > self._over_at

    async def run(self) -> None:
        while True:
            ticked = await self.once()
            # One that failed is late already.
            await asyncio.sleep(TICK_S if ticked else RETRY_S)

    async def once(self) -> bool:
        """Ticks; returns whether it did."""
        self._check_probe()
        self._over_at = asyncio.get_running_loop().time() + OVERDUE_S
        try:
            tick = await self._tick()
        except (DatabaseUnreachable, StatementRefused) as error:
            # After an outage every heartbeat is old, also those of nodes that are well.
            self._unbroken_since = None
            self._echoes_before = None
            if isinstance(error, StatementRefused):
                self._refused(str(error))
            elif isinstance(error, NoAnswer):
                self._unanswered()
            return False
        finally:
            self._over_at = float("inf")
        if not tick.alive:
            self._unbroken_since = None
            await self._fenced()
            return True
        if self._unbroken_since is None or not 0 <= tick.clock_s - self._ticked_at <= self._gap_s:
            self._unbroken_since = tick.clock_s
        self._ticked_at = tick.clock_s
        if tick.waiting:
            self._waiting()
        if tick.due_in_s is not None:
            self._due_in(tick.due_in_s)
        self._schedule(tick.schedule_s)
        if tick.parked:
            self._parked()
        if tick.dead and tick.clock_s - self._unbroken_since >= self._timeout_s:
            self._reclaim()
        return True

    def _check_probe(self) -> None:
        echoes = self._echoes()
        if echoes is not None and echoes == self._echoes_before:
            self._silent()
        self._echoes_before = echoes


class Promoter:
    """Makes scheduled executions pending at the moment they are due, in pieces."""

    def __init__(
        self,
        *,
        promote: Callable[[], Awaitable[Promotion]],
        promoted: Callable[[Sequence[str]], None],
        refused: Callable[[str], None],
        clock: Callable[[], float],
    ) -> None:
        """
        Args:
            promote: runs the statement, for one piece, until it succeeds.
            promoted: gets the queues in which something is pending by it: sooner than the notification comes back.
            refused: told why the database refuses it.
        """
        self._promote, self._promoted = promote, promoted
        self._refused = refused
        self._clock = clock
        self._due_at: float | None = None
        self._changed = asyncio.Event()

    def due_in(self, seconds: float) -> None:
        """Something is due in so many seconds."""
        due_at = self._clock() + max(0.0, seconds)
        if self._due_at is None or due_at < self._due_at:
            self._due_at = due_at
            self._changed.set()

    async def run(self) -> None:
        while True:
            # More than once: a change at the very moment of a promotion is done with, and leaves the event set.
            while self._due_at is None:
                self._changed.clear()
                await self._changed.wait()
            self._changed.clear()
            try:
                async with asyncio.timeout(max(0.0, self._due_at - self._clock())):
                    await self._changed.wait()
            except TimeoutError:
                self._due_at = None
                try:
                    promotion = await self._promote()
                except StatementRefused as error:
                    self._refused(str(error))
                    self.due_in(TICK_S)
                    continue
                if promotion.promoted:
                    self._promoted(promotion.queues)
                if promotion.promoted >= PIECE_ROWS:
                    self.due_in(0.0)
                elif promotion.due_in_s is not None:
                    # Not before the database's clock says so, and not in a spin.
                    self.due_in(max(promotion.due_in_s, 0.002))
