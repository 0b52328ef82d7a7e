"""Cancels meet their execution wherever it is: in a child, on its way back from one, or in a claim's answer."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from currant.errors import StatementRefused
from currant.executions import Ending, Execution, Outcome
from currant.protocol.work import Cancel
from currant.supervisor import cancels
from currant.supervisor.cancels import Cancels
from currant.supervisor.database import CLAIM_VALID_S
from currant.supervisor.ledger import Ledger
from tests.support import in_loop
from tests.unit.support import execution, executions


class Node:
    """One child of eight slots; records what is sent to it and what is ended without it."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.ledger.add_child(0, 8, 0.0)
        self.now = 0.0
        self.claiming = False
        self.claim_over = asyncio.Event()
        self.started: set[int] = set()
        self.sent: list[tuple[int, Cancel]] = []
        self.ended: list[str] = []
        self.overdue: list[tuple[int, int, Ending]] = []
        self.is_overdue = asyncio.Event()
        self.questions: list[list[str]] = []
        self.answer: set[str] | StatementRefused = set()
        self.refused: list[str] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.cancels = Cancels(
            self.ledger,
            send=lambda child, cancel: self.sent.append((child, cancel)),
            is_started=lambda _, cell: cell in self.started,
            is_claiming=lambda: self.claiming,
            claim_over=self._claim_over,
            ask=self._ask,
            end=lambda some: self.ended.extend(each.id for each in some),
            overdue=self._overdue,
            spawn=self._spawn,
            refused=self.refused.append,
            clock=lambda: self.now,
        )

    def give(self, count: int) -> list[Execution]:
        plan, rest = self.ledger.assign(executions(count), 0.0)
        assert not rest
        return plan[0]

    def finish(self, execution: Execution) -> None:
        self.ledger.finish(0, [Outcome(execution.cell, Ending.COMPLETED)], 0.0)

    async def _claim_over(self) -> None:
        if self.claiming:
            await self.claim_over.wait()

    async def _ask(self, ids: list[str]) -> set[str]:
        self.questions.append(sorted(ids))
        if isinstance(self.answer, StatementRefused):
            raise self.answer
        return self.answer & set(ids)

    def _overdue(self, child: int, cell: int, ending: Ending) -> None:
        self.overdue.append((child, cell, ending))
        self.is_overdue.set()

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        self.tasks.append(asyncio.create_task(work, name=name))


@in_loop
async def test_the_child_that_holds_it_is_told_once() -> None:
    node = Node()
    first, second, _ = node.give(3)
    node.cancels.asked({first.id, second.id, "job_elsewhere"})
    ((child, cancel),) = node.sent
    assert (child, sorted(cancel.cells), cancel.ending) == (0, sorted([first.cell, second.cell]), Ending.CANCELLED)
    # A second cancel would interrupt it while it cleans up.
    node.cancels.asked({first.id})
    assert len(node.sent) == 1


@in_loop
async def test_what_does_not_end_is_overdue_and_what_does_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cancels, "END_S", 0.02)
    node = Node()
    first, second, _ = node.give(3)
    node.started = {first.cell, second.cell}
    node.cancels.asked({first.id, second.id})
    node.finish(second)
    await node.is_overdue.wait()
    assert node.overdue == [(0, first.cell, Ending.CANCELLED)]


@in_loop
async def test_another_run_of_the_same_execution_is_not_overdue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cancels, "END_S", 0.02)
    node = Node()
    (first,) = node.give(1)
    node.cancels.asked({first.id})
    node.finish(first)
    again = execution(first.id, lease=first.lease + 1)
    node.ledger.assign([again], 0.0)
    node.started = {again.cell}
    await asyncio.sleep(0.1)
    assert node.overdue == []


@in_loop
async def test_what_a_busy_child_has_not_started_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cancels, "END_S", 0.02)
    node = Node()
    (first,) = node.give(1)
    node.cancels.asked({first.id})
    await asyncio.sleep(0.1)
    assert node.overdue == []
    node.started = {first.cell}
    await node.is_overdue.wait()
    assert node.overdue == [(0, first.cell, Ending.CANCELLED)]


@in_loop
async def test_what_comes_back_unstarted_is_ended_and_not_given_to_another() -> None:
    node = Node()
    first, second = node.give(2)
    node.cancels.asked({first.id})
    assert node.cancels.returned(node.ledger.give_back(0, [first.cell, second.cell])) == [second]
    assert node.ended == [first.id]


@in_loop
async def test_what_the_claim_under_way_brings_is_ended_and_only_that() -> None:
    node = Node()
    node.claiming = True
    node.cancels.asked({"job_1"})
    first, second = execution("job_1"), execution("job_2")
    assert node.cancels.claimed([first, second]) == [second]
    assert node.ended == ["job_1"]
    # A later claim brings it again: someone has brought it back since.
    again = execution("job_1", lease=2)
    assert node.cancels.claimed([again]) == [again]


@in_loop
async def test_without_a_claim_under_way_nothing_is_remembered() -> None:
    node = Node()
    node.cancels.asked({"job_1"})
    first = execution("job_1")
    assert node.cancels.claimed([first]) == [first]


@in_loop
async def test_what_is_remembered_is_forgotten_when_no_claim_can_bring_it_any_more() -> None:
    node = Node()
    node.claiming = True
    node.cancels.asked({"job_1"})
    node.now = CLAIM_VALID_S
    first = execution("job_1")
    assert node.cancels.claimed([first]) == [first]


@in_loop
async def test_after_a_listen_the_database_is_asked_about_what_is_held() -> None:
    node = Node()
    node.cancels.listening()
    assert node.tasks == []
    first, second = node.give(2)
    node.answer = {second.id}
    node.cancels.listening()
    await node.tasks[0]
    assert node.questions == [sorted([first.id, second.id])]
    assert [cancel.cells for _, cancel in node.sent] == [[second.cell]]


@in_loop
async def test_after_a_listen_the_claim_under_way_is_waited_for() -> None:
    node = Node()
    node.claiming = True
    node.cancels.listening()
    node.cancels.listening()
    await asyncio.sleep(0)
    assert node.questions == []
    (first,) = node.give(1)
    node.answer = {first.id}
    node.claiming = False
    node.claim_over.set()
    (task,) = node.tasks
    await task
    assert node.questions == [[first.id]]
    assert [cancel.cells for _, cancel in node.sent] == [[first.cell]]


@in_loop
async def test_a_refusal_is_told_and_the_next_listen_asks_again() -> None:
    node = Node()
    node.give(1)
    node.answer = StatementRefused("no")
    node.cancels.listening()
    await node.tasks[0]
    assert node.refused == ["no"]
    node.cancels.listening()
    await node.tasks[1]
    assert len(node.questions) == 2
