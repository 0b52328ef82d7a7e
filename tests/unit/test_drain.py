"""The drain ends, whatever hangs, and the sooner the more urgent it is."""

import asyncio
import time
from typing import Any

import pytest

from currant.errors import DatabaseUnreachable
from currant.protocol.work import Cancel
from currant.supervisor import drain
from currant.supervisor.drain import Drain, Patience
from currant.supervisor.ledger import Ledger
from currant.supervisor.lifecycle import Lifecycle
from tests.support import in_loop
from tests.unit.support import executions

#: Within the time of a test, this is never.
LONG_S = 3600.0


class Child:
    def __init__(self, node: "Node") -> None:
        self.id, self.dismissed, self._node = 0, False, node

    def send(self, message: object) -> None:
        assert isinstance(message, Cancel)
        self._node.did.append("cancel")

    def kill(self) -> None:
        self._node.did.append("kill")
        if "kill" not in self._node.hangs:
            self._node.empty()


class Node:
    """A node of one child, which holds one execution; `hangs`: what does not come to its end."""

    def __init__(self, *hangs: str, grace_s: float = LONG_S) -> None:
        self.hangs = hangs
        self.did: list[str] = []
        self.stopped = "claim" not in hangs
        self.doubt: bool | None = None
        self.ledger = Ledger()
        self.ledger.add_child(0, 4, 0.0)
        self.ledger.assign(executions(1), 0.0)
        self.child = Child(self)
        self._emptied = asyncio.Event()
        self.dismissal: Any = self
        self.lifecycle = Lifecycle(changed=lambda before, now: None)
        self.lifecycle.started()
        fake: Any = self
        self.drain = Drain(
            self.lifecycle,
            self.ledger,
            fake,
            claimer=fake,
            recall_all=lambda: self.did.append("recall"),
            until_empty=self._until_empty,
            flushed=self._flushed,
            deregister=self._deregister,
            in_doubt=lambda: False,
            grace_s=grace_s,
        )

    def empty(self) -> None:
        self.ledger.take_from(0, lambda cell: True)
        self._emptied.set()

    # As its claimer

    async def stop(self) -> None:
        await self._end("claim")

    # As its children

    def __iter__(self) -> Any:
        return iter([self.child])

    def __getitem__(self, id: int) -> Child:
        return self.child

    def never_mind(self) -> None:
        pass

    def dismiss_all(self) -> None:
        self.did.append("dismiss")

    # As their dismissal

    async def wait(self) -> None:
        await self._end("stop hooks")

    def kill_late(self) -> None:
        self.did.append("kill late")

    async def _until_empty(self) -> None:
        await self._emptied.wait()

    async def _flushed(self) -> None:
        await self._end("write")

    async def _deregister(self, doubt: bool) -> None:
        self.doubt = doubt

    async def _end(self, what: str) -> None:
        if what in self.hangs:
            await asyncio.Event().wait()
        self.did.append(what)


@in_loop
async def test_when_all_has_ended_nothing_is_cancelled_or_killed() -> None:
    node = Node()
    node.empty()
    node.lifecycle.ask_drain("SIGTERM")
    await node.drain.run()
    assert node.did == ["recall", "claim", "dismiss", "write", "stop hooks", "kill late"]
    assert node.doubt is False


@in_loop
async def test_what_outlives_the_grace_period_is_cancelled_then_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drain, "CANCEL", Patience(0.01, 0.01, 0.0))
    node = Node(grace_s=0.01)
    node.lifecycle.ask_drain("SIGTERM")
    await node.drain.run()
    assert node.did[:6] == ["recall", "claim", "cancel", "kill", "dismiss", "write"]
    assert node.child.dismissed


@in_loop
async def test_a_hurry_ends_the_grace_period_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drain, "CANCEL", Patience(0.01, 0.01, 0.0))
    node = Node()
    node.lifecycle.ask_drain("SIGTERM")
    running = asyncio.ensure_future(node.drain.run())
    await asyncio.sleep(0.05)
    assert node.did == ["recall", "claim"]
    node.lifecycle.hurry()
    await running
    assert "cancel" in node.did
    assert "dismiss" in node.did


@in_loop
async def test_a_quit_kills_at_once_and_runs_no_stop_hooks() -> None:
    node = Node("claim", "stop hooks")
    node.lifecycle.ask_drain("SIGTERM")
    running = asyncio.ensure_future(node.drain.run())
    await asyncio.sleep(0.05)
    node.lifecycle.ask_quit("SIGQUIT")
    await running
    assert node.did == ["recall", "cancel", "kill", "write", "kill late"]
    # The claim under way may still be made.
    assert node.doubt is True


@pytest.mark.parametrize("urgency", ["drain", "hurry", "quit"])
@in_loop
async def test_a_drain_ends_in_time_though_everything_hangs(urgency: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # What is asked for must not wait for the bounds of what is less urgent.
    short, patience = 0.02, {"drain": Patience(0.02, LONG_S, LONG_S), "hurry": Patience(LONG_S, 0.02, LONG_S)}
    for step in ("CLAIM_END", "CANCEL", "KILL", "FLUSH", "STOP_HOOKS"):
        monkeypatch.setattr(drain, step, patience.get(urgency, Patience(LONG_S, LONG_S, short)))
    node = Node("claim", "kill", "stop hooks", "write", grace_s=short if urgency == "drain" else LONG_S)
    node.lifecycle.ask_drain("SIGTERM")
    if urgency == "hurry":
        node.lifecycle.hurry()
    elif urgency == "quit":
        node.lifecycle.ask_quit("SIGQUIT")
    began = time.monotonic()
    await node.drain.run()
    assert time.monotonic() - began >= 4 * short


@in_loop
async def test_a_database_that_is_away_is_not_the_drains_failure() -> None:
    node = Node()
    node.empty()

    async def away() -> None:
        raise DatabaseUnreachable("no server answers")

    node.drain._flushed = away
    node.lifecycle.ask_drain("SIGTERM")
    await node.drain.run()


@in_loop
async def test_a_mistake_of_ours_is_not_hidden() -> None:
    node = Node()
    node.empty()

    async def broken() -> None:
        raise ZeroDivisionError

    node.drain._flushed = broken
    node.lifecycle.ask_drain("SIGTERM")
    with pytest.raises(ZeroDivisionError):
        await node.drain.run()
