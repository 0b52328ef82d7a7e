"""Unparking in pieces: when the node learns of functions and when the tick says so, at the pace of the work."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from currant.errors import StatementRefused
from currant.store.parking import moment_of
from currant.supervisor import unparker as module
from currant.supervisor.unparker import PIECE_ROWS, PIECE_ROWS_MAX, QUIET_S, Unparker
from tests.support import in_loop


class Node:
    """An unparker over some parked rows, whose clock the test gives."""

    def __init__(self, parked: int) -> None:
        self.parked, self.now = parked, 100.0
        self.drained = True
        self.came = 0
        self.asked: list[list[str]] = []
        #: How many each look asked for, and how long each takes.
        self.sizes: list[int] = []
        self.look_s = 0.0
        self.refusals: list[str] = []
        self.refuse = False
        #: What another node parks again after each look.
        self.again: list[int] = []
        self.empty = asyncio.Event()
        self.unparker = Unparker(
            unpark=self._unpark,
            came=self._came,
            drained=lambda: self.drained,
            refused=self.refusals.append,
            clock=lambda: self.now,
        )

    async def _unpark(self, functions: Sequence[str], rows: int) -> int:
        self.asked.append(list(functions))
        self.sizes.append(rows)
        self.now += self.look_s
        if self.refuse:
            raise StatementRefused("no")
        count = min(self.parked, rows)
        self.parked -= count
        if count and self.again:
            self.parked += self.again.pop()
        if not self.parked:
            self.empty.set()
        return count

    def _came(self) -> None:
        self.came += 1


@asynccontextmanager
async def running(node: Node) -> AsyncIterator[Unparker]:
    task = asyncio.ensure_future(node.unparker.run())
    try:
        yield node.unparker
    finally:
        task.cancel()


async def turns() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


@in_loop
async def test_at_the_start_everything_that_the_node_knows_is_unparked_in_pieces() -> None:
    node = Node(3 * PIECE_ROWS + 1)
    async with running(node) as unparker:
        await turns()
        assert node.asked == []
        unparker.know(["app.b", "app.a"])
        await turns()
        assert node.asked == [["app.a", "app.b"]] * 4, "the second look comes later"
        assert node.sizes == [PIECE_ROWS] * 4
        assert (node.parked, node.came) == (0, 4)
        assert unparker.moments == sorted([moment_of("app.a"), moment_of("app.b")])


@in_loop
async def test_the_next_piece_waits_until_the_last_is_worked_off_or_for_a_while() -> None:
    node = Node(2 * PIECE_ROWS)
    node.drained = False
    async with running(node) as unparker:
        unparker.know(["app.a"])
        await turns()
        assert node.parked == PIECE_ROWS
        node.now += 5
        await node.empty.wait()
        await turns()
        assert node.came == 2


@in_loop
async def test_where_looking_takes_long_the_pieces_grow_and_shrink_again() -> None:
    node = Node(70 * PIECE_ROWS)
    node.look_s = 0.5
    async with running(node) as unparker:
        unparker.know(["app.a"])
        await turns()
        assert node.parked == 0
        # Half a second for 16,000 rows is not slow, so the next piece is smaller; for 8,000 it is.
        assert node.sizes[:7] == [1000, 2000, 4000, 8000, PIECE_ROWS_MAX, 8000, PIECE_ROWS_MAX]


@in_loop
async def test_the_tick_has_it_look_again_but_not_at_once_where_nothing_could_be_unparked() -> None:
    node = Node(0)
    async with running(node) as unparker:
        unparker.know(["app.a"])
        await turns()
        unparker.parked()
        await turns()
        assert len(node.asked) == 1
        node.now += QUIET_S[0]
        node.parked = 5
        unparker.parked()
        await turns()
        assert (len(node.asked), node.parked) == (2, 0)


@in_loop
async def test_after_something_was_unparked_it_looks_until_nothing_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AGAIN_S", 0.0)
    node = Node(3)
    node.again = [4, 2]
    async with running(node) as unparker:
        unparker.know(["app.a"])
        await turns()
        assert (len(node.asked), node.came, node.again) == (4, 3, [])


@in_loop
async def test_new_functions_are_looked_for_at_once() -> None:
    node = Node(0)
    async with running(node) as unparker:
        unparker.know(["app.a"])
        await turns()
        unparker.know(["app.a", "app.new"])
        await turns()
        assert node.asked[-1] == ["app.a", "app.new"]


@in_loop
async def test_a_refusal_is_told_and_the_tick_asks_again() -> None:
    node = Node(1)
    node.refuse = True
    async with running(node) as unparker:
        unparker.know(["app.a"])
        await turns()
        assert node.refusals == ["no"]
        node.refuse = False
        unparker.parked()
        await turns()
        assert node.parked == 0
