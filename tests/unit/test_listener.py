"""The listener, on the loop that a node has."""

import asyncio
import socket
from typing import cast

import uvloop

from currant.errors import DatabaseUnreachable
from currant.store.channels import Subscription
from currant.supervisor.listener import Listener
from tests.support import HANGS_S


class Lost:
    """A subscription whose server ends it: as libpq does, it closes its socket when it reads that."""

    def __init__(self) -> None:
        self._ours, self.servers = socket.socketpair()
        self.number = self._ours.fileno()

    def fileno(self) -> int:
        return self._ours.fileno()

    def receive(self) -> dict[str, list[str]]:
        self._ours.close()
        raise DatabaseUnreachable("terminating connection due to administrator command")

    def close(self) -> None:
        self._ours.close()


def test_the_descriptor_of_a_lost_connection_may_be_anothers_at_once() -> None:
    """A node ended when a client of its control socket was given the number of the listening connection just lost."""

    async def scenario() -> None:
        subscription = Lost()
        peers: list[socket.socket] = []
        losses: list[str] = []
        connected = asyncio.Event()

        async def subscribe() -> Subscription:
            if not losses:
                return cast("Subscription", subscription)
            connected.set()
            await asyncio.Event().wait()
            raise AssertionError

        class Heard(Listener):
            def renew(self, reason: str | None) -> None:
                # Before the listener's own task goes on: the next descriptor is given out.
                ours, theirs = socket.socketpair()
                assert ours.fileno() == subscription.number
                peers.extend((ours, theirs))
                self.reader = asyncio.ensure_future(asyncio.open_connection(sock=ours))
                super().renew(reason)

        listener = Heard(
            subscribe=subscribe,
            own_channel=lambda: "own",
            notified=lambda queues: None,
            paused=lambda: None,
            cancelled=lambda ids: None,
            listening=lambda: None,
            lost=losses.append,
            regained=lambda seconds: None,
        )
        task = asyncio.ensure_future(listener.run())
        await asyncio.sleep(0)
        subscription.servers.close()
        done, _ = await asyncio.wait(
            (task, asyncio.ensure_future(connected.wait())), return_when=asyncio.FIRST_COMPLETED, timeout=HANGS_S
        )
        assert task not in done
        assert losses
        reader, writer = await listener.reader
        peers[1].send(b"hello")
        async with asyncio.timeout(HANGS_S):
            assert await reader.read(5) == b"hello"
        writer.close()
        task.cancel()
        await asyncio.wait((task,))
        peers[1].close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(scenario())
