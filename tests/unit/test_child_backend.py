"""The child's end of enqueues, cancels and waits: in few frames, bounded, to each its own, and nothing hangs."""

import asyncio
import contextvars
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from currant.backends import Ended, Enqueued, NewExecution
from currant.child import courier, watches
from currant.child.backend import SocketBackend
from currant.child.slots import Lender
from currant.errors import ConfigurationError, CurrantError, DatabaseError, DatabaseUnreachable, PayloadTooLarge
from currant.protocol.frames import encode, frame_bytes_max
from currant.protocol.work import TOO_LARGE, CancelIds, Enqueue, FromChild, Reply, Results, Unwatch, Watch
from tests.support import in_loop

LIMIT = 1 << 20
variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="none")


def new(args: bytes = b"[]") -> NewExecution:
    return NewExecution("app.f", "q", 5, args, b"{}", b"{}", 3, None)


class Supervisor:
    """The other end: it keeps what came, and answers when the test says so."""

    def __init__(self) -> None:
        self.frames: list[FromChild] = []
        self.came = asyncio.Event()
        self.lent: list[str] = []
        self.backend = SocketBackend(self.send, self, payload_bytes_max=LIMIT, loop=asyncio.get_running_loop())

    def send(self, message: FromChild) -> None:
        encode(message, frame_bytes_max(LIMIT))
        self.frames.append(message)
        self.came.set()

    # Lending

    def lend(self) -> Lender | None:
        self.lent.append(f"lend {variable.get()}")
        return Lender(0)

    async def take_back(self, lender: Lender) -> None:
        self.lent.append("take back")

    def break_off(self, lender: Lender) -> None:
        self.lent.append("break off")

    async def until(self, condition: Callable[[], Any]) -> None:
        while not condition():
            self.came.clear()
            await self.came.wait()

    @property
    def enqueues(self) -> list[Enqueue]:
        return [frame for frame in self.frames if isinstance(frame, Enqueue)]

    def accept(self, frame: Enqueue) -> None:
        self.backend.receive(Reply(frame.number))

    async def serve(self) -> None:
        """Accepts everything that comes."""
        seen = -1
        while True:
            seen += 1
            while len(self.frames) <= seen:
                self.came.clear()
                await self.came.wait()
            frame = self.frames[seen]
            if isinstance(frame, Enqueue):
                self.accept(frame)
            elif isinstance(frame, CancelIds):
                self.backend.receive(Reply(frame.number, cancelled=[id != "ended" for id in frame.ids]))


def tasks(calls: list[Any]) -> list["asyncio.Task[Any]"]:
    return [asyncio.ensure_future(call) for call in calls]


# Enqueues


@in_loop
async def test_calls_of_one_turn_go_in_one_frame_and_each_gets_its_own_part_of_the_reply() -> None:
    there = Supervisor()
    calls = tasks([there.backend.enqueue([new(str(n).encode())] * (n + 1)) for n in range(4)])
    await there.until(lambda: there.frames)
    (frame,) = there.enqueues
    assert [each.args for each in frame.executions] == [b"0", b"1", b"1", *[b"2"] * 3, *[b"3"] * 4]
    held: list[str | None] = [None] * 10
    held[2] = "holder"
    there.backend.receive(Reply(frame.number, held=held))
    answers = await asyncio.gather(*calls)
    assert [len(each) for each in answers] == [1, 2, 3, 4]
    assert answers[1] == [Enqueued(frame.ids[1], True), Enqueued("holder", False)]
    assert [each.id for answer in answers[2:] for each in answer] == frame.ids[3:]


@in_loop
async def test_beyond_the_window_callers_wait_in_order_and_then_go_together() -> None:
    there = Supervisor()
    large = new(b"x" * (LIMIT - 10))
    calls = tasks([there.backend.enqueue([large]) for _ in range(6)])
    calls += tasks([there.backend.enqueue([new()]) for _ in range(50)])
    await there.until(lambda: there.frames)
    await asyncio.sleep(0)
    # No more than the window, each in a frame of its own.
    assert [len(frame.ids) for frame in there.enqueues] == [1, 1, 1]
    there.accept(there.enqueues[0])
    await there.until(lambda: len(there.frames) == 4)
    assert len(there.enqueues[3].ids) == 1
    for frame in there.enqueues[1:4]:
        there.accept(frame)
    await there.until(lambda: len(there.frames) == 7)
    assert [len(frame.ids) for frame in there.enqueues[4:]] == [1, 1, 50]
    for frame in there.enqueues[4:]:
        there.accept(frame)
    assert [len(answer) for answer in await asyncio.gather(*calls)] == [1] * 56


@in_loop
async def test_a_generator_of_any_length_is_read_as_it_is_stored() -> None:
    there = Supervisor()
    read: list[None] = []

    def many() -> Iterator[NewExecution]:
        for _ in range(20_000):
            read.append(None)
            yield new()

    call = asyncio.ensure_future(there.backend.enqueue(many()))
    await there.until(lambda: len(there.frames) == 4)
    assert len(read) < 5000
    server = asyncio.ensure_future(there.serve())
    enqueued = await call
    server.cancel()
    assert len({each.id for each in enqueued}) == 20_000
    assert [each.id for each in enqueued] == [id for frame in there.enqueues for id in frame.ids]
    assert max(len(frame.ids) for frame in there.enqueues) == courier.ROWS_MAX


@in_loop
async def test_a_refused_frame_of_several_callers_is_asked_again_call_by_call() -> None:
    there = Supervisor()
    calls = tasks([there.backend.enqueue([new(str(n).encode())]) for n in range(3)])
    await there.until(lambda: there.frames)
    there.backend.receive(Reply(there.enqueues[0].number, error="no"))
    await there.until(lambda: len(there.frames) == 4)
    assert [frame.executions[0].args for frame in there.enqueues[1:]] == [b"0", b"1", b"2"]
    for frame in there.enqueues[1:]:
        there.backend.receive(Reply(frame.number, error="still no" if frame.executions[0].args == b"1" else None))
    good, bad, fine = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(bad, DatabaseError)
    assert str(bad) == "still no"
    assert good == [Enqueued(there.enqueues[1].ids[0], True)]
    assert fine == [Enqueued(there.enqueues[3].ids[0], True)]


@in_loop
async def test_what_is_too_large_is_refused_before_anything_of_a_list_is_sent() -> None:
    there = Supervisor()
    with pytest.raises(PayloadTooLarge, match=r"app\.f: args and kwargs"):
        await there.backend.enqueue([*[new()] * 2500, new(b"x" * (LIMIT + 1))])
    await asyncio.sleep(0)
    assert there.frames == []


@in_loop
async def test_a_call_that_is_cancelled_before_it_is_sent_is_not_sent() -> None:
    there = Supervisor()
    first, second = tasks([there.backend.enqueue([new(b"1")]), there.backend.enqueue([new(b"2")])])
    await asyncio.sleep(0)
    first.cancel()
    await there.until(lambda: there.frames)
    assert [each.args for each in there.enqueues[0].executions] == [b"2"]
    there.accept(there.enqueues[0])
    assert len(await second) == 1


@in_loop
async def test_nothing_to_enqueue_needs_no_frame() -> None:
    there = Supervisor()
    assert await there.backend.enqueue([]) == []
    assert there.frames == []


# Cancels


@in_loop
async def test_cancels_go_together_and_what_cannot_exist_is_not_asked_for() -> None:
    there = Supervisor()
    server = asyncio.ensure_future(there.serve())
    first, second = await asyncio.gather(
        there.backend.cancel(["a", "ended", "nul\0", "\ud800", "x" * 9000, ""]), there.backend.cancel(["b"])
    )
    server.cancel()
    assert (first, second) == ([True, False, False, False, False, False], [True])
    assert [frame.ids for frame in there.frames if isinstance(frame, CancelIds)] == [["a", "ended", "b"]]
    with pytest.raises(ConfigurationError, match="got 5"):
        await there.backend.cancel([5])  # type: ignore[list-item]


# Waits


@in_loop
async def test_many_who_wait_for_one_execution_are_one_watch() -> None:
    there = Supervisor()
    waits = tasks([there.backend.ended("a") for _ in range(3)] + [there.backend.ended("b")])
    await there.until(lambda: there.frames)
    waits[0].cancel()
    await asyncio.wait(waits[:1])
    await asyncio.sleep(0)
    assert there.frames == [Watch(["a", "b"])]
    ended = Ended("a", "completed", b"1")
    there.backend.receive(Results([ended]))
    assert await asyncio.gather(*waits[1:3]) == [ended, ended]
    waits[3].cancel()
    await there.until(lambda: len(there.frames) == 2)
    assert there.frames[1] == Unwatch(["b"])
    assert there.lent.count("lend none") == 4
    assert (there.lent.count("take back"), there.lent.count("break off")) == (2, 2)


@in_loop
async def test_a_wait_that_is_over_within_its_turn_is_not_told_and_one_begun_again_is_watched_again() -> None:
    there = Supervisor()
    (wait,) = tasks([there.backend.ended("a")])
    await asyncio.sleep(0)
    wait.cancel()
    await asyncio.wait([wait])
    await asyncio.sleep(0.01)
    assert there.frames in ([], [Watch(["a"]), Unwatch(["a"])])
    there.frames.clear()
    (wait,) = tasks([there.backend.ended("a")])
    await there.until(lambda: there.frames)
    assert there.frames == [Watch(["a"])]
    there.backend.receive(Results([Ended("a", None, None)]))
    assert await wait == Ended("a", None, None)


@in_loop
async def test_what_cannot_exist_is_not_there_and_too_large_a_result_is_said_to_be_so() -> None:
    there = Supervisor()
    assert await there.backend.ended("nul\0") == Ended("nul\0", None, None)
    (wait,) = tasks([there.backend.ended("a")])
    await there.until(lambda: there.frames)
    there.backend.receive(Results([Ended("a", TOO_LARGE, None)]))
    with pytest.raises(PayloadTooLarge, match="the result of a"):
        await wait


@in_loop
async def test_a_child_waits_for_a_bounded_number_of_executions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watches, "WATCHED_MAX", 2)
    there = Supervisor()
    waits = tasks([there.backend.ended("a"), there.backend.ended("b")])
    await there.until(lambda: there.frames)
    with pytest.raises(CurrantError, match="2 executions already"):
        await there.backend.ended("c")
    assert there.lent == ["lend none"] * 2
    for wait in waits:
        wait.cancel()
    await asyncio.wait(waits)


# Threads, and the end


@in_loop
async def test_a_thread_waits_in_the_context_of_its_caller() -> None:
    there = Supervisor()
    server = asyncio.ensure_future(there.serve())
    variable.set("execution 7")

    def work() -> list[Enqueued]:
        enqueued = there.backend.run_sync(there.backend.enqueue([new()]))
        ended = there.backend.run_sync(there.backend.ended("a"))
        assert ended.body == b"5"
        return enqueued

    call = asyncio.ensure_future(asyncio.to_thread(work))
    await there.until(lambda: Watch(["a"]) in there.frames)
    there.backend.receive(Results([Ended("a", "completed", b"5")]))
    assert len(await call) == 1
    assert there.lent == ["lend execution 7", "take back"]
    server.cancel()


@in_loop
async def test_the_loops_own_thread_is_told_to_await_instead() -> None:
    there = Supervisor()
    with pytest.raises(CurrantError, match="await"):
        there.backend.run_sync(there.backend.ended("a"))


@in_loop
async def test_a_loop_in_another_thread_is_served_as_well() -> None:
    there = Supervisor()
    server = asyncio.ensure_future(there.serve())
    assert len(await asyncio.to_thread(lambda: asyncio.run(there.backend.enqueue([new()] * 3)))) == 3
    server.cancel()


@in_loop
async def test_when_the_supervisor_is_gone_everybody_gets_an_error_and_later_callers_at_once() -> None:
    there = Supervisor()
    backend = there.backend
    waiting = tasks([backend.enqueue([new()]), backend.cancel(["a"]), backend.ended("a")])
    thread_error: list[BaseException] = []

    def work() -> None:
        try:
            backend.run_sync(backend.ended("b"))
        except BaseException as error:
            thread_error.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    await there.until(lambda: Watch(["b"]) in there.frames or Watch(["a", "b"]) in there.frames)
    backend.close()
    for error in await asyncio.gather(*waiting, return_exceptions=True):
        assert isinstance(error, DatabaseUnreachable)
    await asyncio.to_thread(thread.join)
    assert isinstance(thread_error[0], DatabaseUnreachable)
    for call in (backend.enqueue([new()]), backend.cancel(["a"]), backend.ended("a")):
        with pytest.raises(DatabaseUnreachable, match="supervisor"):
            await call
