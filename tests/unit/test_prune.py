"""The pruner: pieces, pauses between them, and what it tells."""

import pytest

from currant.errors import StatementRefused
from currant.store.retention import Keep, Pruned, Range
from currant.supervisor.prune import EVERY_S, PIECE_ROWS, PIECE_ROWS_MAX, Pruner
from tests.support import in_loop


class World:
    """A table of so many rows, of which a share goes, a clock that each statement moves, and the pauses."""

    def __init__(self, rows: int, *, goes: bool, dead: int = 0) -> None:
        self.rows, self.goes, self.dead = rows, goes, dead
        self.now_s = 0.0
        self.pieces: list[int] = []
        self.pauses: list[float] = []
        self.told = 0

    async def prune_ranges(self, newest_s: float) -> list[Range]:
        return [Range("a", "b"), Range("c", "d")]

    async def prune(self, where: Range, keep: Keep, rows: int) -> Pruned:
        self.now_s += 0.01
        if where.upto != "b":
            return Pruned(0, 0, None)
        self.pieces.append(rows)
        seen = min(rows, self.rows)
        self.rows -= seen
        return Pruned(seen if self.goes else 0, seen, "more" if seen == rows else None)

    async def prune_dead(self, keep: Keep, rows: int) -> int:
        deleted = min(rows, self.dead)
        self.dead -= deleted
        return deleted

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)

    def pruner(self, keep: Keep = Keep(7.0, 30.0)) -> Pruner:  # noqa: B008
        return Pruner(
            self,
            keep,
            newest_s=min(keep),
            pruned=self._tell,
            refused=lambda _: None,
            clock=lambda: self.now_s,
            random=lambda: 0.5,
            sleep=self.sleep,
        )

    def _tell(self, count: int) -> None:
        self.told += count


@in_loop
async def test_everything_goes_in_pieces_with_a_rest_after_each() -> None:
    world = World(2500, goes=True, dead=1200)
    assert await world.pruner().once() == 3700
    assert world.pieces == [PIECE_ROWS] * 3
    assert world.told == 2500
    assert world.pauses == pytest.approx([0.04, 0.04, 0.01])


@in_loop
async def test_pieces_grow_while_there_is_nothing_to_delete() -> None:
    world = World(200_000, goes=False)
    assert await world.pruner().once() == 0
    assert world.pieces[:3] == [PIECE_ROWS, 2 * PIECE_ROWS, 4 * PIECE_ROWS]
    assert max(world.pieces) == PIECE_ROWS_MAX


@in_loop
async def test_nothing_is_asked_when_everything_is_kept_for_ever() -> None:
    world = World(5000, goes=True, dead=10)
    assert await world.pruner(Keep(float("inf"), float("inf"))).once() == 0
    assert world.pieces == []


@in_loop
async def test_a_refusal_is_told_and_the_next_round_comes_all_the_same() -> None:
    class Refusing(World):
        async def prune_ranges(self, newest_s: float) -> list[Range]:
            raise StatementRefused("no privilege")

    class EnoughError(Exception):
        pass

    told: list[str] = []
    world = Refusing(0, goes=True)

    async def sleep(seconds: float) -> None:
        world.pauses.append(seconds)
        if len(world.pauses) == 3:
            raise EnoughError

    pruner = Pruner(
        world,
        Keep(1.0, 1.0),
        newest_s=1.0,
        pruned=lambda _: None,
        refused=told.append,
        clock=lambda: 0.0,
        random=lambda: 0.25,
        sleep=sleep,
    )
    with pytest.raises(EnoughError):
        await pruner.run()
    assert told == ["no privilege"] * 2
    assert world.pauses == [0.75 * EVERY_S] * 3
