"""Making what is parked pending, once this node knows its function: in pieces, and no faster than it is worked off."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from currant.errors import StatementRefused
from currant.store.parking import moment_of

#: A piece is larger while looking it up costs more than making so many rows pending: what was unparked before, and is
#: not vacuumed yet, stands in the index at the same moment, and each look passes it. With a million that is most of it.
PIECE_ROWS, PIECE_ROWS_MAX = 1000, 16_000
_SLOW_ROW_S = 50e-6
#: The next piece follows when the queues are empty again, or after so long. A node beside this one that does not know
#: the functions claims a part of each piece and parks it again: the more slowly, the less of that.
PIECE_S = 1.0
_LOOK_S = 0.02
#: After something was unparked, another look follows so soon: such a node may have parked some of it again.
AGAIN_S = 0.5
#: What looked parked and could not be unparked is left alone for so long, doubling.
QUIET_S = (5.0, 300.0)


class Unparker:
    """Unparks what its node knows: when it learns of functions, and when the tick says that there is something."""

    def __init__(
        self,
        *,
        unpark: Callable[[Sequence[str], int], Awaitable[int]],
        came: Callable[[], None],
        drained: Callable[[], bool],
        refused: Callable[[str], None],
        clock: Callable[[], float],
    ) -> None:
        """
        Args:
            unpark: unparks a piece of these functions, at most so many; returns how many that were.
            came: called when something is pending by it.
            drained: whether the last claim found the queues empty, and nothing has come since.
            refused: told why the database refuses it.
        """
        self._unpark, self._came, self._drained, self._refused = unpark, came, drained, refused
        self._clock = clock
        self._functions: list[str] = []
        #: For the tick: where to look for what is parked.
        self.moments: list[float] = []
        self._quiet_s, self._quiet_until = QUIET_S[0], float("-inf")
        self._wake = asyncio.Event()

    def know(self, functions: Sequence[str]) -> None:
        """These are the functions that the node's modules register, from now on: after a boot or a reload."""
        self._functions = sorted(set(functions))
        self.moments = sorted({moment_of(function) for function in self._functions})
        self._quiet_until = float("-inf")
        self._wake.set()

    def parked(self) -> None:
        """The tick has seen something parked of these functions."""
        if self._clock() >= self._quiet_until:
            self._wake.set()

    async def run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._work_off()
            except StatementRefused as error:
                # The tick says again that they are parked.
                self._refused(str(error))

    async def _work_off(self) -> None:
        """Unparks until nothing is parked any more."""
        if not await self._unpark_all():
            self._quiet_until = self._clock() + self._quiet_s
            self._quiet_s = min(QUIET_S[1], 2 * self._quiet_s)
            return
        self._quiet_s = QUIET_S[0]
        await asyncio.sleep(AGAIN_S)
        while await self._unpark_all():  # noqa: ASYNC110 - what another node does, no event tells
            await asyncio.sleep(AGAIN_S)

    async def _unpark_all(self) -> int:
        """Returns how many that were."""
        total, rows = 0, PIECE_ROWS
        while True:
            begun = self._clock()
            count = await self._unpark(self._functions, rows)
            total += count
            if count:
                self._came()
            if count < rows:
                return total
            is_slow = self._clock() - begun > rows * _SLOW_ROW_S
            rows = min(PIECE_ROWS_MAX, 2 * rows) if is_slow else max(PIECE_ROWS, rows // 2)
            deadline = self._clock() + PIECE_S
            while not self._drained() and self._clock() < deadline:  # noqa: ASYNC110 - it lasts for moments, and rarely
                await asyncio.sleep(_LOOK_S)
