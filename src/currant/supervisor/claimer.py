"""Room to claim to dispatch. One claim at a time; a short one is not an empty queue."""

import asyncio
from collections.abc import Awaitable, Callable

from currant.errors import DatabaseUnreachable, StatementRefused
from currant.executions import Execution
from currant.store.queries import Claim, Position
from currant.supervisor.start import Start

CLAIM_BYTES_MAX = 8 << 20
#: How many candidates of a queue a claim looks at, at most, to see past those that others hold.
LOOK_ROWS_MAX = 4000
LOOK_GROWTH = 4
#: Between claims that saw candidates and got none, doubling.
RETRY_S = (0.002, 0.5)


class Claimer:
    """Claims whenever there is room and there may be work."""

    def __init__(
        self,
        *,
        room: Callable[[], int],
        rows_max: int,
        claim: Callable[[int, int, Position | None, bool], Awaitable[Claim]],
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
        self._due_in, self._random = due_in, random
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
        self._retry_s = RETRY_S[0]
        self._over = asyncio.Event()
        self._over.set()

    def work_came(self) -> None:
        """There may be work: a notification, a promotion, or the tick says so."""
        self._news += 1
        self._wake.set()

    def room_came(self) -> None:
        """Room may have grown; it matters only while there may be work."""
        if self._news != self._news_seen:
            self._wake.set()

    async def stop(self) -> None:
        """No claim begins after this; returns when the one under way is dispatched."""
        self._stopping = True
        self._wake.set()
        await self._stopped.wait()

    async def claim_over(self) -> None:
        """Returns when the claim that is under way, if any, is dispatched."""
        await self._over.wait()

    @property
    def drained(self) -> bool:
        """Whether the last claim found the queues empty, and there has been no sign of new work since."""
        return self._news == self._news_seen

    @property
    def is_claiming(self) -> bool:
        """Whether a claim is under way, or its executions are not dispatched yet."""
        return not self._over.is_set()

    @property
    def stopped(self) -> bool:
        """Whether no claim is under way any more, nor will be."""
        return self._stopped.is_set()

    async def run(self) -> None:
        try:
            await self._run()
        finally:
            self._stopped.set()

    async def _run(self) -> None:
        while not self._stopping:
            await self._wake.wait()
            self._wake.clear()
            while not self._stopping and self._news != self._news_seen and (rows := self._room()):
                self._over.clear()
                try:
                    await self._claim_once(min(rows, self._rows_max))
                finally:
                    self._over.set()

    async def _claim_once(self, rows: int) -> None:
        news = self._news
        look = max(rows, self._look)
        after = self._start.next()
        plenty = self._full and not self._start.slow
        try:
            claim = await self._claim(rows, look, after, plenty)
        except DatabaseUnreachable:
            self._lost()
            await self._pause()
            return
        except StatementRefused as error:
            # What is refused now may pass with other rows at the head, or when someone has mended the database.
            self._refused(str(error))
            await self._pause()
            return
        if not claim.alive:
            await self._fenced()
            return
        self._start.note(after, rows, claim)
        self._full = len(claim.executions) == rows
        if claim.executions:
            self._dispatch(claim.executions)
        if claim.due_in_s is not None:
            self._due_in(claim.due_in_s)
        # Behind a position, what it saw is not all there is.
        if claim.seen == len(claim.executions) and claim.seen < rows and after is None:
            self._news_seen = news
        if len(claim.executions) < min(rows, claim.seen):
            # Others hold some of what was looked at: look further.
            self._look = min(LOOK_ROWS_MAX, LOOK_GROWTH * look)
        else:
            self._look //= 2
        if claim.seen and not claim.executions:
            await asyncio.sleep(self._retry_s * (0.5 + self._random()))
            self._retry_s = min(RETRY_S[1], 2 * self._retry_s)
        else:
            self._retry_s = RETRY_S[0]
