"""Children's requests: written together, each answered once, and one bad frame costs nobody else."""

import asyncio
from collections.abc import Sequence

import pytest

from currant.backends import Enqueued, NewExecution
from currant.errors import DatabaseError, DatabaseUnreachable, ProtocolError, RowLocked, StatementRefused
from currant.protocol.work import CancelIds, Enqueue, Reply
from currant.supervisor import requests
from currant.supervisor.requests import WRITE_ROWS_MAX, Requests
from tests.support import in_loop


def new(args: bytes = b"[]", key: str | None = None) -> NewExecution:
    return NewExecution("app.f", "q", 5, args, b"{}", b"{}", 3, None, unique_key=key)


def frame(number: int, rows: int = 1, args: bytes = b"[]", key: str | None = None) -> Enqueue:
    return Enqueue(number, [f"{number}-{row}" for row in range(rows)], [new(args, key)] * rows)


class Store:
    """What requests are written to: it refuses, loses and locks as it is told."""

    def __init__(self) -> None:
        self.there: dict[str, NewExecution] = {}
        self.writes: list[tuple[list[str], bool]] = []
        self.bad = b"bad"
        self.locked: set[str] = set()
        #: Raised by the next writes, after or before they took effect.
        self.losses: list[bool] = []
        self.refusals: list[DatabaseError] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.replies: list[tuple[str, Reply]] = []
        self.replied = asyncio.Event()
        self.told: list[int] = []
        self.problems: list[str] = []
        self.requests = Requests(
            self,
            pause=lambda: asyncio.sleep(0),
            written=lambda executions: self.told.append(len(executions)),
            refused=self.problems.append,
        )

    async def __aenter__(self) -> "Store":
        self._run = asyncio.create_task(self.requests.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._run.cancel()
        await asyncio.wait([self._run])
        if not self._run.cancelled():
            self._run.result()

    def add(self, message: Enqueue | CancelIds, child: str = "a") -> None:
        def answer(reply: Reply) -> None:
            self.replies.append((child, reply))
            self.replied.set()

        self.requests.add(message, answer)

    async def under_way(self) -> None:
        """Returns when the first write has begun."""
        while not self.writes:  # noqa: ASYNC110
            await asyncio.sleep(0)

    async def answered(self, count: int) -> dict[int, Reply]:
        while len(self.replies) < count:
            self.replied.clear()
            await self.replied.wait()
        assert len(self.replies) == len({reply.number for _, reply in self.replies}), "one was answered twice"
        return {reply.number: reply for _, reply in self.replies}

    async def enqueue(self, ids: Sequence[str], executions: Sequence[NewExecution], *, doubt: bool) -> list[Enqueued]:
        self.writes.append((list(ids), doubt))
        await self.gate.wait()
        if self.refusals:
            raise self.refusals.pop()
        if any(each.args == self.bad for each in executions):
            raise StatementRefused("bad")
        if self.locked & set(ids):
            raise RowLocked("locked")
        lost = self.losses.pop(0) if self.losses else None
        if lost is False:
            raise DatabaseUnreachable("before")
        assert doubt or not self.there.keys() & set(ids)
        self.there.update(zip(ids, executions, strict=True))
        if lost:
            raise DatabaseUnreachable("after")
        return [
            Enqueued("holder", False) if each.unique_key else Enqueued(id, True)
            for id, each in zip(ids, executions, strict=True)
        ]

    async def cancel(self, ids: Sequence[str], *, doubt: bool) -> set[str]:
        self.writes.append((list(ids), doubt))
        if self.losses and not self.losses.pop(0):
            raise DatabaseUnreachable("before")
        return {id for id in ids if id.startswith("live")}


@in_loop
async def test_what_came_while_a_write_was_under_way_is_the_next_write_of_all_children() -> None:
    async with Store() as store:
        store.gate.clear()
        store.add(frame(1))
        await store.under_way()
        for number in range(2, 8):
            store.add(frame(number, 2), child=f"child {number}")
        store.gate.set()
        replies = await store.answered(7)
        assert [len(ids) for ids, _ in store.writes] == [1, 12]
        assert all(reply == Reply(number) for number, reply in replies.items())
        assert store.told == [1, 12]
        assert dict(store.replies[1:])["child 4"].number == 4


@in_loop
async def test_a_write_is_bounded_in_rows_and_in_bytes_and_holds_whole_frames() -> None:
    async with Store() as store:
        store.gate.clear()
        store.add(frame(0))
        await store.under_way()
        for number in range(1, 5):
            store.add(frame(number, 1000))
        for number in range(5, 9):
            store.add(frame(number, 3, b"x" * (1 << 20)))
        store.gate.set()
        await store.answered(9)
        # The second at the limit of rows, the others at that of bytes.
        assert [len(ids) for ids, _ in store.writes] == [1, WRITE_ROWS_MAX, 1000 + 6, 6]


@in_loop
async def test_unique_keys_are_written_apart_and_the_holders_are_told() -> None:
    async with Store() as store:
        store.add(frame(1, 2))
        store.add(frame(2, 2, key="k"))
        store.add(frame(3, 1))
        replies = await store.answered(3)
        assert [len(ids) for ids, _ in store.writes] == [3, 2]
        assert replies[2].held == ["holder", "holder"]
        assert replies[1].held == []


@in_loop
async def test_one_bad_frame_of_many_is_answered_with_the_error_and_alone() -> None:
    async with Store() as store:
        store.gate.clear()
        store.add(frame(0))
        await store.under_way()
        for number in range(1, 20):
            store.add(frame(number, 3, b"bad" if number in (7, 19) else b"[]"))
        store.gate.set()
        replies = await store.answered(20)
        assert {number for number, reply in replies.items() if reply.error} == {7, 19}
        assert replies[7].error == "bad"
        assert len(store.there) == 1 + 17 * 3


@in_loop
async def test_a_write_whose_end_is_not_known_is_repeated_as_one_in_doubt() -> None:
    async with Store() as store:
        store.losses = [False, True, False]
        store.add(frame(1, 2))
        assert (await store.answered(1))[1] == Reply(1)
        assert [doubt for _, doubt in store.writes] == [False, True, True, True]
        assert len(store.there) == 2
        store.add(frame(2))
        await store.answered(2)
        assert store.writes[-1][1] is False


@in_loop
async def test_doubt_stays_with_a_frame_when_its_batch_is_split_afterwards() -> None:
    store = Store()
    store.add(frame(1))
    store.add(frame(2, 1, b"bad"))
    store.refusals = [DatabaseUnreachable("lost")]
    async with store:
        assert (await store.answered(2))[2].error == "bad"
    # Lost together, then refused together, then each by itself.
    assert store.writes == [(["1-0", "2-0"], False), (["1-0", "2-0"], True), (["1-0"], True), (["2-0"], True)]


@in_loop
async def test_a_locked_frame_is_set_aside_and_tried_again_while_others_pass(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(requests, "LOCKED_S", 0.05)
    async with Store() as store:
        store.locked = {"1-0"}
        store.add(frame(1, 2, key="k"))
        store.add(frame(2))
        store.add(frame(3, key="other"))
        assert set(await store.answered(2)) == {2, 3}
        store.locked.clear()
        assert set(await store.answered(3)) == {1, 2, 3}


@in_loop
async def test_a_database_that_refuses_us_altogether_is_asked_again_and_the_reason_is_told() -> None:
    async with Store() as store:
        store.refusals = [DatabaseError("the password is wrong")]
        store.add(frame(1))
        assert (await store.answered(1))[1] == Reply(1)
        assert store.problems == ["the password is wrong"]


@in_loop
async def test_cancels_of_all_children_are_one_statement_and_each_hears_of_its_own() -> None:
    async with Store() as store:
        store.losses = [False]
        store.add(CancelIds(1, ["live 1", "ended"]))
        store.add(CancelIds(2, ["ended", "live 1", "live 2"]))
        replies = await store.answered(2)
        assert replies == {1: Reply(1, cancelled=[True, False]), 2: Reply(2, cancelled=[False, True, True])}
        assert store.writes == [(["live 1", "ended", "live 2"], False), (["live 1", "ended", "live 2"], True)]


@in_loop
async def test_an_answer_that_fits_into_no_frame_is_an_error_in_place_of_it() -> None:
    async with Store() as store:
        sent: list[Reply] = []

        def answer(reply: Reply) -> None:
            if reply.held:
                raise ProtocolError("too large")
            sent.append(reply)
            store.replied.set()

        store.requests.add(frame(1, key="k"), answer)
        await store.replied.wait()
        assert sent[0].number == 1
        assert "too large" in str(sent[0].error)
