"""Watches: one poll for all, none while nobody waits, and each child hears once of what it waits for."""

import asyncio
from typing import Any

import pytest

from currant.backends import Ended
from currant.errors import DatabaseUnreachable, ProtocolError, StatementRefused
from currant.protocol.frames import BATCH_BYTES, encode, frame_bytes_max
from currant.protocol.work import TOO_LARGE, Results, ToChild
from currant.supervisor import watches
from currant.supervisor.watches import POLL_IDS_MAX, POLL_S, UNREAD_BYTES_MAX, Watches
from tests.support import in_loop

FRAME_MAX = frame_bytes_max(1 << 20)


class Child:
    def __init__(self, id: int) -> None:
        self.id, self.unread_bytes = id, 0
        self.frames: list[Results] = []
        self.came = asyncio.Event()

    def send(self, message: ToChild) -> None:
        assert isinstance(message, Results)
        encode(message, FRAME_MAX)
        self.frames.append(message)
        self.came.set()

    @property
    def heard(self) -> list[str]:
        return [ended.id for frame in self.frames for ended in frame.ended]

    async def until(self, count: int) -> None:
        while len(self.heard) < count:
            self.came.clear()
            await self.came.wait()


class World:
    """What is polled: which executions have ended, and what each poll asked for."""

    def __init__(self) -> None:
        self.ended: dict[str, Ended] = {}
        self.polls: list[list[str]] = []
        self.polled_once = asyncio.Event()
        self.errors: list[Exception] = []
        self.problems: list[str] = []
        self.watches = Watches(ended=self.poll, frame_bytes_max=FRAME_MAX, refused=self.problems.append)

    async def __aenter__(self) -> "World":
        self._run = asyncio.create_task(self.watches.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._run.cancel()
        await asyncio.wait([self._run])
        if not self._run.cancelled():
            self._run.result()

    async def poll(self, ids: list[str]) -> list[Ended]:
        self.polls.append(ids)
        self.polled_once.set()
        if self.errors:
            raise self.errors.pop()
        await asyncio.sleep(0)
        return [self.ended[id] for id in ids if id in self.ended]

    def end(self, *ids: str, body: bytes = b"1") -> None:
        self.ended |= {id: Ended(id, "completed", body) for id in ids}
        self.watches.saved()

    async def polled(self, count: int) -> None:
        mark = len(self.polls) + count
        while len(self.polls) < mark:
            self.polled_once.clear()
            await self.polled_once.wait()


@in_loop
async def test_nothing_is_asked_while_nobody_watches() -> None:
    async with World() as world:
        world.watches.saved()
        await asyncio.sleep(5 * POLL_S[0])
        assert world.polls == []
        child = Child(0)
        world.watches.watch(child, ["a", "b"])
        await world.polled(1)
        world.watches.unwatch(child, ["a", "b", "never"])
        await asyncio.sleep(2 * POLL_S[0])
        mark = len(world.polls)
        await asyncio.sleep(5 * POLL_S[0])
        assert len(world.polls) == mark


@in_loop
async def test_all_children_are_one_poll_and_each_hears_once_of_its_own() -> None:
    async with World() as world:
        first, second = Child(0), Child(1)
        world.watches.watch(first, ["a", "b"])
        world.watches.watch(second, ["b", "c"])
        await world.polled(1)
        assert world.polls[0] == ["a", "b", "c"]
        world.end("b", "c")
        await second.until(2)
        assert first.heard == ["b"]
        assert second.heard == ["b", "c"]
        await world.polled(1)
        assert world.polls[-1] == ["a"]


@in_loop
async def test_a_statement_asks_for_a_bounded_number_of_ids() -> None:
    async with World() as world:
        child = Child(0)
        ids = [str(number) for number in range(2 * POLL_IDS_MAX + 5)]
        world.end(*ids)
        world.watches.watch(child, ids)
        await child.until(len(ids))
        assert [len(poll) for poll in world.polls] == [POLL_IDS_MAX, POLL_IDS_MAX, 5]


@in_loop
async def test_large_results_are_cut_into_frames_and_one_that_fits_into_none_is_said_to_be_too_large() -> None:
    async with World() as world:
        child = Child(0)
        ids = ["a", "b", "c"]
        world.end(*ids, body=b"x" * (BATCH_BYTES // 2))
        world.end("huge", body=b"x" * FRAME_MAX)
        world.watches.watch(child, [*ids, "huge"])
        await child.until(4)
        # Two halves and their ids are more than a batch.
        assert [[each.id for each in frame.ended] for frame in child.frames] == [["a"], ["b"], ["c", "huge"]]
        (huge,) = [each for frame in child.frames for each in frame.ended if each.id == "huge"]
        assert huge == Ended("huge", TOO_LARGE, None)


@in_loop
async def test_a_child_that_does_not_read_gets_nothing_more_until_it_does_and_holds_up_no_other() -> None:
    async with World() as world:
        slow, quick = Child(0), Child(1)
        slow.unread_bytes = UNREAD_BYTES_MAX
        world.end("a", "b")
        world.watches.watch(slow, ["a", "b"])
        world.watches.watch(quick, ["a"])
        await quick.until(1)
        assert slow.heard == []
        slow.unread_bytes = 0
        await slow.until(2)
        assert slow.heard == ["a", "b"]
        assert quick.heard == ["a"]


@pytest.mark.parametrize("error", [DatabaseUnreachable("lost"), StatementRefused("no")])
def test_a_poll_that_fails_only_delays(error: Any) -> None:
    @in_loop
    async def run() -> None:
        async with World() as world:
            world.errors = [error]
            child = Child(0)
            world.end("a")
            world.watches.watch(child, ["a"])
            await child.until(1)
            assert world.problems == (["no"] if isinstance(error, StatementRefused) else [])

    run()


@in_loop
async def test_polls_become_rare_without_news_and_quick_again_with_it() -> None:
    async with World() as world:
        child = Child(0)
        world.watches.watch(child, ["a"])
        await world.polled(6)
        slow_s = world.watches._pause_s
        assert slow_s > 4 * POLL_S[0]
        world.watches.saved()
        await world.polled(1)
        assert world.watches._pause_s < slow_s


@in_loop
async def test_a_child_that_is_gone_is_forgotten_and_one_that_watches_too_much_breaks_the_protocol(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with World() as world:
        gone, other = Child(0), Child(1)
        world.watches.watch(gone, ["a", "b"])
        world.watches.watch(other, ["b"])
        world.watches.forget(gone)
        await world.polled(1)
        assert world.polls[-1] == ["b"]
        monkeypatch.setattr(watches, "WATCHED_MAX", 2)
        with pytest.raises(ProtocolError, match="more than 2"):
            world.watches.watch(other, ["c", "d"])


@in_loop
async def test_a_child_that_watches_ids_of_too_many_bytes_breaks_the_protocol_and_what_it_unwatched_does_not_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watches, "WATCHED_BYTES_MAX", 100)
    async with World() as world:
        child, other = Child(0), Child(1)
        for number in range(10):
            id = str(number) * 60
            world.watches.watch(child, [id, id])
            world.watches.watch(child, [id])
            world.watches.unwatch(child, [id, id])
        world.watches.watch(child, ["a" * 50, "b" * 50])
        world.watches.watch(other, ["a" * 50])
        with pytest.raises(ProtocolError, match="100 bytes of ids"):
            world.watches.watch(child, ["c"])
        # It has ended by that: the next of that number begins anew.
        world.watches.forget(child)
        world.watches.watch(child, ["c" * 100])


@in_loop
async def test_an_id_that_no_execution_can_have_counts_nothing_and_is_answered_at_once() -> None:
    async with World() as world:
        child = Child(0)
        impossible = ["", "x" * 9000, "a\0b"]
        world.watches.watch(child, impossible)
        assert child.frames == [Results([Ended(id, None, None) for id in impossible])]
        assert world.watches._bytes.get(child.id, 0) == 0
