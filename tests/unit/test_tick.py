"""The ticker and the promoter: what follows from the flags of a tick, and due work in time and in pieces."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from currant.errors import DatabaseUnreachable, NoAnswer
from currant.store.queries import Promotion, Tick
from currant.supervisor.tick import PIECE_ROWS, Promoter, Ticker
from tests.support import comes_true, in_loop

NOTHING = Tick(alive=True, due_in_s=None, waiting=False, dead=False, clock_s=0.0)
DEAD = NOTHING._replace(dead=True)
TIMEOUT_S = 30.0


class Node:
    """A ticker whose ticks and clock the test gives."""

    def __init__(self) -> None:
        self.now = 100.0
        self.answer: Tick | Exception = NOTHING
        self.echoes: int | None = None
        self.happened: list[object] = []
        self.schedules: list[float | None] = []
        self.ticker = Ticker(
            tick=self._tick,
            timeout_s=TIMEOUT_S,
            echoes=lambda: self.echoes,
            silent=lambda: self.happened.append("silent"),
            unanswered=lambda: self.happened.append("unanswered"),
            waiting=lambda: self.happened.append("waiting"),
            due_in=self.happened.append,
            schedule=self.schedules.append,
            parked=lambda: self.happened.append("parked"),
            reclaim=lambda: self.happened.append("reclaim"),
            fenced=self._fenced,
            refused=self.happened.append,
        )

    async def tick(self, answer: Tick | Exception, after_s: float = 5.0) -> list[object]:
        """Returns what one more tick brought about."""
        self.now += after_s
        self.answer = answer
        self.happened.clear()
        await self.ticker.once()
        return list(self.happened)

    async def _tick(self) -> Tick:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer._replace(clock_s=self.now)

    async def _fenced(self) -> None:
        self.happened.append("fenced")


@in_loop
async def test_a_tick_that_does_not_end_is_overdue_until_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("currant.supervisor.tick.OVERDUE_S", 0.01)
    node, answered = Node(), asyncio.Event()

    async def unanswered() -> Tick:
        await answered.wait()
        raise NoAnswer("no answer")

    monkeypatch.setattr(node.ticker, "_tick", unanswered)
    assert not node.ticker.overdue
    ticking = asyncio.create_task(node.ticker.once())
    await comes_true(lambda: node.ticker.overdue)
    answered.set()
    assert not await ticking
    assert not node.ticker.overdue


@in_loop
async def test_the_flags_are_passed_on() -> None:
    node = Node()
    assert await node.tick(NOTHING) == []
    assert await node.tick(NOTHING._replace(waiting=True)) == ["waiting"]
    assert await node.tick(NOTHING._replace(due_in_s=-3.0)) == [-3.0]
    assert node.schedules == [None] * 3
    assert await node.tick(NOTHING._replace(parked=True)) == ["parked"]
    await node.tick(NOTHING._replace(schedule_s=5.0))
    assert node.schedules[-1] == 5.0


@in_loop
async def test_a_node_that_is_dead_to_the_others_does_nothing_but_register_anew() -> None:
    node = Node()
    assert await node.tick(Tick(alive=False, due_in_s=1.0, waiting=True, dead=True, clock_s=0.0)) == ["fenced"]


@in_loop
async def test_others_are_reclaimed_only_after_ticks_of_one_timeout_without_a_break() -> None:
    node = Node()
    for _ in range(6):
        assert await node.tick(DEAD) == []
    assert await node.tick(DEAD) == ["reclaim"]
    assert await node.tick(DatabaseUnreachable("gone")) == []
    # After an outage every heartbeat is old.
    for _ in range(6):
        assert await node.tick(DEAD) == []
    assert await node.tick(DEAD) == ["reclaim"]


@in_loop
@pytest.mark.parametrize("jump_s", [16.0, 3600.0, -3600.0], ids=["a gap", "the host slept", "the clock was put back"])
async def test_after_a_gap_between_its_ticks_a_node_judges_nobody_for_one_timeout(jump_s: float) -> None:
    node = Node()
    for _ in range(7):
        await node.tick(NOTHING)
    # The others' heartbeats are as old as its own was.
    assert await node.tick(DEAD, after_s=jump_s) == []
    for _ in range(5):
        assert await node.tick(DEAD) == []
    assert await node.tick(DEAD) == ["reclaim"]


@in_loop
async def test_a_probe_that_did_not_come_back_is_told() -> None:
    node = Node()
    assert await node.tick(NOTHING) == []
    node.echoes = 0
    assert await node.tick(NOTHING) == []
    node.echoes = 1
    assert await node.tick(NOTHING) == []
    assert await node.tick(NOTHING) == ["silent"]


@in_loop
async def test_while_listen_is_set_up_and_after_an_outage_no_probe_is_missed() -> None:
    node = Node()
    node.echoes = 3
    await node.tick(NOTHING)
    node.echoes = None
    assert await node.tick(NOTHING) == []
    node.echoes = 3
    assert await node.tick(NOTHING) == []
    node.echoes = 4
    await node.tick(DatabaseUnreachable("gone"))
    assert await node.tick(NOTHING) == []


@in_loop
async def test_when_the_server_does_not_answer_listen_is_in_doubt_as_well() -> None:
    node = Node()
    assert await node.tick(NoAnswer("no answer within 10 s")) == ["unanswered"]
    assert await node.tick(DatabaseUnreachable("gone")) == []


class Due:
    """A promoter whose statement answers in turn."""

    def __init__(self, *answers: Promotion) -> None:
        self.answers = list(answers)
        self.exhausted = asyncio.Event()
        self.called = 0
        self.wakes = 0
        self.refusals: list[str] = []
        self.promoter = Promoter(
            promote=self._promote,
            promoted=self._wake,
            refused=self.refusals.append,
            clock=asyncio.get_running_loop().time,
        )

    def _wake(self, queues: Sequence[str]) -> None:
        self.wakes += 1

    async def _promote(self) -> Promotion:
        self.called += 1
        answer = self.answers.pop(0)
        if not self.answers:
            self.exhausted.set()
        return answer


@asynccontextmanager
async def running(*answers: Promotion) -> AsyncIterator[Due]:
    due = Due(*answers)
    task = asyncio.create_task(due.promoter.run())
    yield due
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled():
        task.result()


@in_loop
async def test_what_is_overdue_is_promoted_at_once() -> None:
    async with running(Promotion(1, None)) as due:
        due.promoter.due_in(-5.0)
        await due.exhausted.wait()


@in_loop
async def test_the_claimer_is_woken_by_what_was_promoted_and_by_nothing_else() -> None:
    async with running(Promotion(1, 0.003), Promotion(0, 0.003), Promotion(2, None)) as due:
        due.promoter.due_in(0.0)
        await due.exhausted.wait()
        await asyncio.sleep(0)
        assert due.wakes == 2


@in_loop
async def test_nothing_is_promoted_before_it_is_due() -> None:
    async with running(Promotion(1, None)) as due:
        due.promoter.due_in(3600.0)
        for _ in range(20):
            await asyncio.sleep(0)
        assert due.called == 0


@in_loop
async def test_what_is_due_sooner_comes_before_what_was_known() -> None:
    async with running(Promotion(1, 3600.0)) as due:
        due.promoter.due_in(3600.0)
        await asyncio.sleep(0)
        due.promoter.due_in(0.0)
        await due.exhausted.wait()


@in_loop
async def test_a_heap_of_due_work_is_promoted_piece_by_piece() -> None:
    async with running(Promotion(PIECE_ROWS, 60.0), Promotion(PIECE_ROWS, None), Promotion(3, None)) as due:
        due.promoter.due_in(0.0)
        await due.exhausted.wait()
        assert due.called == 3


@in_loop
async def test_what_is_next_is_promoted_when_it_is_due() -> None:
    async with running(Promotion(1, 0.003), Promotion(0, 0.0), Promotion(1, None)) as due:
        due.promoter.due_in(0.0)
        await due.exhausted.wait()


@in_loop
async def test_a_moment_that_changes_while_another_comes_ends_nothing() -> None:
    due = Due(Promotion(0, None), Promotion(0, None))
    due.promoter._clock = lambda: 100.0
    task = asyncio.create_task(due.promoter.run())
    # Both timers are found due in one turn of the loop: the change first, then the end of the wait.
    asyncio.get_running_loop().call_later(0.005, due.promoter.due_in, 0.0)
    due.promoter.due_in(0.01)
    await asyncio.sleep(0)
    time.sleep(0.03)
    await asyncio.sleep(0.01)
    due.promoter.due_in(0.0)
    waits = {task, asyncio.create_task(due.exhausted.wait())}
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    assert not task.done()
    task.cancel()
