"""The prune: deletes what ended long ago, in pieces that neither the database nor the node notices."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from currant.errors import StatementRefused
from currant.store.retention import Keep, Pruned, Range

EVERY_S = 600.0
#: A piece; one that finds nothing to delete is followed by a larger one, which costs no more.
PIECE_ROWS, PIECE_ROWS_MAX = 1000, 20_000
#: After each piece a pause of so many times its duration: at most a fifth of one connection's time.
PAUSE_FACTOR = 4.0


class Store(Protocol):
    """The statements, each repeated until it succeeds; StatementRefused when it never will."""

    async def prune_ranges(self, newest_s: float) -> list[Range]: ...
    async def prune(self, where: Range, keep: Keep, rows: int) -> Pruned: ...
    async def prune_dead(self, keep: Keep, rows: int) -> int: ...


class Pruner:
    """Prunes now and then. Several nodes may: each skips what another holds."""

    def __init__(
        self,
        store: Store,
        keep: Keep,
        *,
        newest_s: float,
        pruned: Callable[[int], None],
        refused: Callable[[str], None],
        clock: Callable[[], float],
        random: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """
        Args:
            newest_s: younger executions are not looked at.
            pruned: told how many were deleted, after each piece.
            refused: told why the database refuses to delete.
        """
        self._store, self._keep, self._newest_s = store, keep, newest_s
        self._pruned, self._refused = pruned, refused
        self._clock, self._random, self._sleep = clock, random, sleep

    def keep(self, newest_s: float) -> None:
        """From now on, younger executions than this are not looked at."""
        self._newest_s = newest_s

    async def run(self) -> None:
        """Prunes until it is cancelled."""
        while True:
            # Jittered, so that nodes which start together do not prune together.
            await self._sleep(EVERY_S * (0.5 + self._random()))
            try:
                await self.once()
            except StatementRefused as error:
                self._refused(str(error))

    async def once(self) -> int:
        """Goes through everything once; returns how many executions and dead letters it deleted.

        Raises:
            StatementRefused: the database refuses to delete.
        """
        if self._newest_s == float("inf"):
            return 0
        total = 0
        for where in await self._store.prune_ranges(self._newest_s):
            total += await self._prune_range(where)
        while self._keep.failed_s != float("inf"):
            began = self._clock()
            deleted = await self._store.prune_dead(self._keep, PIECE_ROWS)
            total += deleted
            if deleted < PIECE_ROWS:
                break
            await self._rest(began)
        return total

    async def _prune_range(self, where: Range) -> int:
        total, rows = 0, PIECE_ROWS
        while True:
            began = self._clock()
            piece = await self._store.prune(where, self._keep, rows)
            total += piece.deleted
            if piece.deleted:
                self._pruned(piece.deleted)
            if piece.after is None:
                return total
            where = where._replace(after=piece.after)
            rows = PIECE_ROWS if piece.deleted else min(PIECE_ROWS_MAX, 2 * rows)
            await self._rest(began)

    async def _rest(self, began: float) -> None:
        await self._sleep(max(0.01, PAUSE_FACTOR * (self._clock() - began)))
