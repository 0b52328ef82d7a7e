"""Room to claim to dispatch. A short claim is no empty queue; while there is plenty, the next is under way early."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, NamedTuple

from currant.errors import DatabaseUnreachable, StatementRefused
from currant.executions import Execution
from currant.store.queries import Claim, Position
from currant.supervisor.start import Start

CLAIM_BYTES_MAX = 8 << 20
#: How many candidates of a queue a claim looks at, at most, to see past those that others hold.
LOOK_ROWS_MAX = 10_000
LOOK_GROWTH = 4
#: After the cheaper statement could not claim, others do for so long: what was in its way may stay.
IN_VAIN_S = 2.0
#: Between claims that saw candidates and got none, doubling.
RETRY_S = (0.002, 0.5)


class _UnderWay(NamedTuple):
    """A claim that has begun: of how many rows, and what was known then."""

    claim: asyncio.Future[Claim]
    news: int
    rows: int
    look: int
    after: Position | None


class Claimer:
    """Claims whenever there is room and there may be work."""

    def __init__(
        self,
        *,
        room: Callable[[], int],
        rows_max: int,
        claim: Callable[[int, int, Position | None, bool], Coroutine[Any, Any, Claim]],
        dispatch: Callable[[list[Execution]], None],
        due_in: Callable[[float], None],
        pause: Callable[[], Awaitable[None]],
        lost: Callable[[], None],
        refused: Callable[[str], None],
        fenced: Callable[[], Awaitable[None]],
        random: Callable[[], float],
        clock: Callable[[], float],
    ) -> None:
        """
        Args:
            room: how many executions fit now.
            rows_max: the most that one claim takes.
            claim: claims `rows` of `look` candidates behind a position; when told that there is plenty, it may leave
                out where the last one stood.
            due_in: told by an empty claim the seconds until the next scheduled execution.
            pause: waits after a failure of the database.
            lost: called after a claim that failed on its way: it may have taken effect unseen.
            refused: told why the database refuses to claim.
            fenced: called when the node's row is stopped or gone; returns when it is registered anew.
        """
        self._room, self._rows_max, self._claim, self._dispatch = room, rows_max, claim, dispatch
        self._pause, self._lost, self._refused, self._fenced = pause, lost, refused, fenced
        self._due_in, self._random, self._clock = due_in, random, clock
        self._start = Start(clock)
        self._wake = asyncio.Event()
        #: Grows with each sign of new work: a claim that saw nothing proves nothing about what came meanwhile.
        self._news = 1
        self._news_seen = 0
        self._stopping = False
        self._stopped = asyncio.Event()
        self._look = 0
        #: Whether the last claim got all that there was room for: then there is more.
        self._full = False
        #: Until then the cheaper statement is not tried.
        self._in_vain_until = 0.0
        self._retry_s = RETRY_S[0]
        #: How many claims have begun, and how many of them are over, their executions dispatched.
        self._begun = self._ended = 0
        self._progress = asyncio.Event()
        self._claims: set[asyncio.Future[Claim]] = set()

    def work_came(self) -> None:
        """There may be work: a notification, a promotion, or the tick says so."""
        self._news += 1
        self._wake.set()

    def room_came(self) -> None:
        """Room may have grown; it matters only while there may be work."""
        if self._news != self._news_seen:
            self._wake.set()

    async def stop(self) -> None:
        """No claim begins after this; returns when those under way are dispatched."""
        self._stopping = True
        self._wake.set()
        await self._stopped.wait()

    async def claim_over(self) -> None:
        """Returns when the claims that are under way, if any, are dispatched, whatever begins meanwhile."""
        mark = self._begun
        while self._ended < mark:
            self._progress.clear()
            await self._progress.wait()

    @property
    def drained(self) -> bool:
        """Whether the last claim found the queues empty, and there has been no sign of new work since."""
        return self._news == self._news_seen

    @property
    def is_claiming(self) -> bool:
        """Whether a claim is under way, or its executions are not dispatched yet."""
        return self._ended < self._begun

    @property
    def stopped(self) -> bool:
        """Whether no claim is under way any more, nor will be."""
        return self._stopped.is_set()

    async def run(self) -> None:
        try:
            await self._run()
        finally:
            for claim in self._claims:
                claim.cancel()
            self._stopped.set()

    async def _run(self) -> None:
        under_way: _UnderWay | None = None
        while under_way or not self._stopping:
            if under_way is None:
                await self._wake.wait()
                self._wake.clear()
                under_way = self._begin()
            if under_way is not None:
                under_way = await self._take(under_way) or self._begin()

    def _begin(self, coming: int = 0) -> "_UnderWay | None":
        """Begins a claim, if there may be work and there is room beside so many executions that are claimed already."""
        if self._stopping or self._news == self._news_seen:
            return None
        rows = min(self._room() - coming, self._rows_max)
        if rows <= 0:
            return None
        look = max(rows, self._look)
        after = self._start.next()
        plenty = self._full and not self._start.slow and self._clock() >= self._in_vain_until
        claim = asyncio.ensure_future(self._claim(rows, look, after, plenty))
        self._claims.add(claim)
        claim.add_done_callback(self._claims.discard)
        self._begun += 1
        return _UnderWay(claim, self._news, rows, look, after)

    async def _take(self, under_way: "_UnderWay") -> "_UnderWay | None":
        """Waits for the claim, and returns the next one if that has begun: while there is plenty, before what was
        claimed is read and dispatched, so that the database is at work meanwhile."""
        try:
            return await self._take_claim(*under_way)
        finally:
            self._ended += 1
            self._progress.set()

    async def _take_claim(
        self, under_way: Awaitable[Claim], news: int, rows: int, look: int, after: Position | None
    ) -> "_UnderWay | None":
        try:
            claim = await under_way
        except DatabaseUnreachable:
            self._lost()
            await self._pause()
            return None
        except StatementRefused as error:
            # What is refused now may pass with other rows at the head, or when someone has mended the database.
            self._refused(str(error))
            await self._pause()
            return None
        if not claim.alive:
            await self._fenced()
            return None
        self._start.note(after, rows, claim)
        self._full = claim.size == rows
        if claim.in_vain:
            self._in_vain_until = self._clock() + IN_VAIN_S
        following = self._begin(rows) if self._full else None
        if following:
            # It is sent.
            await asyncio.sleep(0)
        if claim.size:
            self._dispatch(claim.read())
        if claim.due_in_s is not None:
            self._due_in(claim.due_in_s)
        # Behind a position, what it saw is not all there is.
        if claim.seen == claim.size and claim.seen < rows and after is None:
            self._news_seen = news
        await self._look_further(claim, rows, look)
        return following

    async def _look_further(self, claim: Claim, rows: int, look: int) -> None:
        """Where others hold some of what was looked at, the next claim looks at more, after a pause if it got none."""
        if claim.size < min(rows, claim.seen):
            self._look = min(LOOK_ROWS_MAX, LOOK_GROWTH * look)
        else:
            self._look //= 2
        if claim.seen and not claim.size:
            await asyncio.sleep(self._retry_s * (0.5 + self._random()))
            self._retry_s = min(RETRY_S[1], 2 * self._retry_s)
        else:
            self._retry_s = RETRY_S[0]
