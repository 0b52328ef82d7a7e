"""The supervisor's end of a child's socket: one that does not read is not read from, and is owed no more than that."""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
import pytest
import uvloop

from currant.errors import ProtocolError
from currant.protocol import frames
from currant.protocol.work import FromChild, Lend, Reply, to_child_decoder
from currant.supervisor import link
from currant.supervisor.link import Link
from tests.support import HANGS_S

FRAME_MAX = frames.frame_bytes_max(1 << 20)
#: In place of the real bound, for speed. Far more than what the system holds for a socket.
UNREAD_MAX = 4 << 20
#: Turns of the loop in which anything that can come has come.
TURNS = 50

Run = Callable[[Coroutine[Any, Any, None]], None]


class Peers:
    """A link, and the child's end of its socket, which reads only when the test does."""

    def __init__(self) -> None:
        self.received: list[FromChild] = []
        self.closed: list[str | None] = []
        self.refuse, self.refused = False, 0
        self.link = Link(frame_bytes_max=FRAME_MAX, received=self._take, closed=self.closed.append)
        ours, self.child = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        for end in (ours, self.child):
            end.setblocking(False)
        self._ours = ours

    def _take(self, message: FromChild) -> None:
        if self.refuse:
            self.refused += 1
            raise ProtocolError("not now")
        self.received.append(message)

    async def __aenter__(self) -> "Peers":
        await asyncio.get_running_loop().create_connection(lambda: self.link, sock=self._ours)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.link.close()
        await self.until(lambda: bool(self.closed))
        self.child.close()

    def say(self, message: msgspec.Struct) -> None:
        self.child.sendall(frames.encode(message, FRAME_MAX))

    def fill(self) -> int:
        """Answers the child, which does not read, until it is not read from; returns how many answers that took."""
        count = 0
        while self.link.unread_bytes <= UNREAD_MAX:
            self.link.send(Reply(count, error="x" * 100_000))
            count += 1
        return count

    async def read(self, count: int) -> list[Any]:
        """The child reads so many messages."""
        reader, messages = frames.FrameReader(to_child_decoder, FRAME_MAX), list[Any]()
        while len(messages) < count:
            messages += reader.feed(await asyncio.get_running_loop().sock_recv(self.child, 1 << 16))
        return messages

    async def turns(self) -> None:
        for _ in range(TURNS):
            await asyncio.sleep(0)

    async def until(self, holds: Callable[[], bool]) -> None:
        while not holds():  # noqa: ASYNC110 - what a transport holds, nobody tells
            await asyncio.sleep(0.001)


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a coroutine in each kind of loop: a supervisor has uvloop's, whose transports are not asyncio's."""
    monkeypatch.setattr(link, "UNREAD_BYTES_MAX", UNREAD_MAX)

    def run(work: Coroutine[Any, Any, None]) -> None:
        with asyncio.Runner(loop_factory=request.param) as runner:
            runner.run(asyncio.wait_for(work, HANGS_S))

    return run


def test_a_child_that_does_not_read_is_not_read_from_until_it_does(run: Run) -> None:
    async def test() -> None:
        async with Peers() as peers:
            peers.say(Lend(1))
            await peers.until(lambda: peers.received == [Lend(1)])
            count = peers.fill()
            await peers.turns()
            peers.say(Lend(2))
            await peers.turns()
            assert peers.received == [Lend(1)]
            assert peers.link.unread_bytes > 0
            # All that it is owed comes, in order, and then it is heard again.
            assert [reply.number for reply in await peers.read(count)] == list(range(count))
            await peers.until(lambda: peers.received == [Lend(1), Lend(2)])
            await peers.until(lambda: peers.link.unread_bytes == 0)
            assert peers.closed == []

    run(test())


def test_a_child_that_does_not_read_and_goes_is_noticed_though_it_is_not_read_from(run: Run) -> None:
    async def test() -> None:
        async with Peers() as peers:
            peers.fill()
            await peers.turns()
            peers.child.close()
            await peers.until(lambda: bool(peers.closed))
            assert peers.closed == [None]
            assert peers.link.unread_bytes == 0
            # Nobody is there any more.
            peers.link.send(Reply(0))

    run(test())


def test_a_link_is_closed_at_once_whatever_its_child_has_not_read(run: Run) -> None:
    async def test() -> None:
        async with Peers() as peers:
            peers.fill()
            await peers.turns()
            peers.link.close()
            await peers.until(lambda: bool(peers.closed))
            assert (peers.closed, peers.link.unread_bytes) == ([None], 0)

    run(test())


NESTED = b"\x93\xa4lend\x01" + b"\x91" * 20_000 + b"\x90"


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        (b"\xff\xff\xff\xff", "over the limit"),
        (b"\0\0\0\1\xc1", "holds no message"),
        (len(NESTED).to_bytes(4, "big") + NESTED, "holds no message"),
    ],
    ids=["too long", "no message", "nested"],
)
def test_nonsense_ends_the_link_and_is_told_with_the_reason(run: Run, said: bytes, problem: str) -> None:
    async def test() -> None:
        async with Peers() as peers:
            failed: list[object] = []
            asyncio.get_running_loop().set_exception_handler(lambda _, context: failed.append(context))
            peers.child.sendall(said)
            await peers.until(lambda: bool(peers.closed))
            assert problem in str(peers.closed[0])
            assert (peers.received, failed, len(peers.closed)) == ([], [], 1)

    run(test())


def test_a_message_that_is_refused_ends_the_link_before_the_next_is_heard(run: Run) -> None:
    async def test() -> None:
        async with Peers() as peers:
            peers.refuse = True
            peers.child.sendall(frames.encode(Lend(1), FRAME_MAX) + frames.encode(Lend(2), FRAME_MAX))
            await peers.until(lambda: bool(peers.closed))
            assert (peers.closed, peers.refused) == (["not now"], 1)

    run(test())
