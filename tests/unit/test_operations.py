"""What is asked of a node, without one: what is refused, and what is said when the database is away."""

import asyncio
from typing import Any, cast

import pytest

from currant.backends import Ended
from currant.cli.log import make_log
from currant.errors import CurrantError, DatabaseUnreachable
from currant.protocol.commands import (
    CancelRequest,
    DrainReply,
    DrainRequest,
    RestartRequest,
    ResumeReply,
    ResumeRequest,
    ScaleRequest,
)
from currant.records import Cancelled
from currant.supervisor import operations
from currant.supervisor.child import State
from currant.supervisor.lifecycle import Lifecycle
from currant.supervisor.loglevel import LogLevel
from currant.supervisor.operations import Operations
from currant.supervisor.sizing import Sizing
from tests.support import in_loop


class _Place:
    def __init__(self, state: State, retiring: str | None = None) -> None:
        self.state, self.retiring, self.pid = state, retiring, 1


class _Node:
    """Of the parts as much as the operations ask for."""

    def __init__(self) -> None:
        self.held, self.unsaved = 2, 1
        self.done: list[str] = []
        self.at_places: dict[int, _Place] = {}
        self.database: dict[str, str | None] | None = {}
        self.hangs = False
        self.lifecycle = Lifecycle(changed=lambda before, now: None)
        anything = cast(Any, self)
        self.operations = Operations(
            self.lifecycle,
            anything,
            anything,
            anything,
            recall_all=lambda: self.done.append("recall"),
            work_came=lambda: self.done.append("claim"),
            cancel=self.cancel,
            ended=self.ended,
            boot_timeout_s=1.0,
            log=make_log("critical"),
            log_level=LogLevel("info"),
        )
        self.sizing = Sizing(self.lifecycle, anything, make_log("critical"))

    def ids(self) -> list[str]:
        return ["job_here"]

    def asked(self, ids: set[str]) -> None:
        self.done += sorted(ids)

    def places(self, role: object = None) -> list[int]:
        return sorted(self.at_places) if role is None else []

    def has_place(self, number: int) -> bool:
        return number in self.at_places

    def at(self, number: int) -> Any:
        return self.at_places.get(number)

    async def cancel(self, ids: list[str]) -> set[str]:
        if self.hangs:
            await asyncio.Event().wait()
        if self.database is None:
            raise DatabaseUnreachable("no server answers")
        return {id for id in ids if self.database.get(id) == "pending"}

    async def ended(self, ids: list[str]) -> list[Ended]:
        assert self.database is not None
        return [Ended(id, self.database.get(id), None) for id in ids if self.database.get(id) != "pending"]


@in_loop
async def test_a_node_that_starts_or_ends_takes_no_requests() -> None:
    node = _Node()
    for phase in ("starting", "draining"):
        for asked in (
            node.operations.drain(DrainRequest()),
            node.operations.resume(ResumeRequest()),
            node.operations.restart(RestartRequest(0)),
            node.sizing.scale(ScaleRequest(2)),
        ):
            with pytest.raises(CurrantError, match=f"the node is {phase}"):
                await asked
        node.lifecycle.ask_drain("a test")
    assert node.done == []


@in_loop
async def test_a_drain_is_told_once_and_a_resume_claims_once() -> None:
    node = _Node()
    node.lifecycle.started()
    assert node.lifecycle.takes_work
    assert await node.operations.resume(ResumeRequest()) == ResumeReply(True)
    assert await node.operations.drain(DrainRequest()) == DrainReply(False, 2, 1)
    assert await node.operations.drain(DrainRequest()) == DrainReply(True, 2, 1)
    assert not node.lifecycle.takes_work
    assert await node.operations.resume(ResumeRequest()) == ResumeReply(False)
    assert node.lifecycle.takes_work
    assert node.done == ["recall", "claim"]


@in_loop
async def test_a_restart_that_cannot_be_says_why() -> None:
    node = _Node()
    node.lifecycle.started()
    node.at_places = {0: _Place(State.BOOTING), 1: _Place(State.READY, "reload")}
    for child, text in ((2, "there is no child 2: there are 0, 1"), (0, "about to start"), (1, "already: reload")):
        with pytest.raises(CurrantError, match=text):
            await node.operations.restart(RestartRequest(child))


@in_loop
async def test_a_cancel_says_what_became_of_it_with_and_without_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    node = _Node()

    async def cancel(id: str) -> Cancelled:
        return (await node.operations.cancel(CancelRequest(id))).outcome

    node.database = {"job_done": "completed", "job_waits": "pending", "job_here": "cancelled"}
    assert await cancel("job_done") == Cancelled("job_done", False, "completed", "it is completed already")
    assert await cancel("job_nowhere") == Cancelled("job_nowhere", False, None, "no execution has this id")
    assert await cancel("job_waits") == Cancelled("job_waits", True, "running", None)
    assert node.done == []
    # It had ended as cancelled when the database was asked.
    assert await cancel("job_here") == Cancelled("job_here", True, "cancelled", None)
    assert node.done == ["job_here"]
    monkeypatch.setattr(operations, "DATABASE_S", 0.01)
    for node.database, node.hangs in ((None, False), ({}, True)):
        assert await cancel("job_here") == Cancelled("job_here", True, "running", None)
        with pytest.raises(CurrantError, match="the database does not answer: it is not cancelled"):
            await cancel("job_else")
    for id in ("", "a\0b", "x" * 9000):
        with pytest.raises(CurrantError, match="no execution can have the id"):
            await cancel(id)
