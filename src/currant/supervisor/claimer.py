"""Room to claim to dispatch. One claim at a time; a short one is not an empty queue."""

import asyncio
from collections.abc import Awaitable, Callable

from currant.errors import DatabaseUnreachable
from currant.executions import Execution
from currant.store.queries import Claim

CLAIM_ROWS_MAX = 500
CLAIM_BYTES_MAX = 8 << 20
#: How many candidates a claim looks at, in multiples of the rows it wants, when others hold the first ones.
LOOK_MAX = 4
RETRY_S = (0.001, 0.02)


class Claimer:
    """Claims whenever there is room and there may be work."""

    def __init__(
        self,
        *,
        room: Callable[[], int],
        claim: Callable[[int, int], Awaitable[Claim]],
        dispatch: Callable[[list[Execution]], None],
        pause: Callable[[], Awaitable[None]],
        lost: Callable[[], Awaitable[None]],
        fenced: Callable[[], Awaitable[None]],
        random: Callable[[], float],
    ) -> None:
        """
        Args:
            room: how many executions fit now.
            claim: claims `rows` of `look` candidates.
            pause: waits after a failure of the database.
            lost: called when the database is back after a claim that may have taken effect unseen.
            fenced: called when the node's row is stopped or gone; returns when it is registered anew.
        """
        self._room, self._claim, self._dispatch = room, claim, dispatch
        self._pause, self._lost, self._fenced, self._random = pause, lost, fenced, random
        self._wake = asyncio.Event()
        #: Grows with each sign of new work: a claim that saw nothing proves nothing about what came meanwhile.
        self._news = 1
        self._news_seen = 0
        self._stopping = False
        self._stopped = asyncio.Event()

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

    async def run(self) -> None:
        try:
            await self._run()
        finally:
            self._stopped.set()

    async def _run(self) -> None:
        while not self._stopping:
            await self._wake.wait()
            self._wake.clear()
            look = 1
            while not self._stopping and self._news != self._news_seen and (rows := self._room()):
                look = await self._claim_once(min(rows, CLAIM_ROWS_MAX), look)

    async def _claim_once(self, rows: int, look: int) -> int:
        """Claims and dispatches; returns how far to look the next time."""
        news = self._news
        try:
            claim = await self._claim(rows, rows * look)
        except DatabaseUnreachable:
            await self._pause()
            # The claim may have been made all the same: nothing of it was dispatched.
            await self._lost()
            return look
        if not claim.alive:
            await self._fenced()
            return look
        if claim.executions:
            self._dispatch(claim.executions)
        elif claim.seen:
            low, high = RETRY_S
            await asyncio.sleep(low + (high - low) * self._random())
            return min(LOOK_MAX, look + 1)
        if claim.seen == len(claim.executions) and claim.seen < rows:
            self._news_seen = news
        return 1 if len(claim.executions) == rows else min(LOOK_MAX, look + 1)
