"""Stalls: who does not answer is closed, killed past its limits, and open again when it has answered the last ping."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from currant.cli.log import make_log
from currant.executions import Execution
from currant.protocol.cells import Cells, create
from currant.protocol.work import Ping, Pong, Recall, ToChild
from currant.supervisor.child import Restart
from currant.supervisor.events import Counts
from currant.supervisor.ledger import Ledger
from currant.supervisor.loglevel import LogLevel
from currant.supervisor.stacks import Stacks
from currant.supervisor.stalls import LATE_S, Stalls
from tests.support import in_loop
from tests.unit.support import executions

TIMEOUT_S, GRACE_S = 60.0, 10.0


class Child:
    """A child without a process."""

    def __init__(self, cells: Cells) -> None:
        self.id, self.place, self.pid, self.pidfd = 7, 0, None, None
        self.cells = cells
        self.problem: str | None = None
        self.killed_for: Restart | None = None
        self.sent: list[ToChild] = []
        self.killed = False

    def send(self, message: ToChild) -> None:
        self.sent.append(message)

    def is_started(self, cell: int) -> bool:
        return self.cells.is_started(cell)

    def kill(self) -> None:
        self.killed = True


class Node:
    """A node with one child of four slots, and a clock that the test moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.ledger, self.counts = Ledger(), Counts()
        self.ledger.add_child(7, 4, self.now)
        self.returned: list[Execution] = []
        self.overdue: list[tuple[int, list[int]]] = []
        self.tasks: list[asyncio.Task[None]] = []
        log = make_log(LogLevel("critical"))
        self.stalls = Stalls(
            self.ledger,
            self.counts,
            stacks=Stacks(log),
            returned=self.returned.extend,
            overdue=lambda child, cells: self.overdue.append((child, cells)),
            spawn=self._spawn,
            timeout_s=TIMEOUT_S,
            grace_s=GRACE_S,
            log=log,
            clock=lambda: self.now,
        )
        self.child = Child(Cells(create()))
        self.stalls.watch(self.child)

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        self.tasks.append(asyncio.ensure_future(work))

    def look_after(self, seconds: float) -> None:
        self.now += seconds
        self.stalls.look(self.now)

    def start(self, timeout_s: float | None = None) -> Execution:
        """Gives the child an execution, which it starts."""
        (one,) = executions(1)
        one.timeout_s = timeout_s
        self.ledger.assign([one], self.now)
        assert self.child.cells.start(one.cell)
        return one

    def answer(self, number: int, lag_s: float = 0.0) -> bool:
        return self.stalls.answered(self.child, Pong(number, lag_s))


@in_loop
async def test_a_child_that_answers_is_pinged_again_and_one_that_does_not_is_not_flooded() -> None:
    node = Node()
    node.look_after(1)
    node.look_after(1)
    assert node.child.sent == [Ping(1, 101.0)]
    assert not node.answer(1, lag_s=0.25)
    node.look_after(1)
    assert node.child.sent[1:] == [Ping(2, 103.0)]
    assert node.stalls.of_child(7) == (0.25, None)
    node.now += 2
    assert node.stalls.of_child(7) == (2.0, None)


@in_loop
async def test_who_does_not_answer_gets_no_work_until_it_has() -> None:
    node = Node()
    node.start()
    node.look_after(1)
    node.look_after(LATE_S)
    assert (node.ledger.free, node.counts.stalls) == (0, 1)
    await asyncio.gather(*node.tasks)
    node.now += 4
    assert node.stalls.of_child(7) == (LATE_S + 4, 4.0)
    assert node.answer(1)
    assert node.ledger.free == 3
    assert node.stalls.of_child(7)[1] is None
    # Nothing is left of it: the next ping goes out, and only that counts.
    node.look_after(1)
    assert node.child.sent[-1] == Ping(2, node.now)
    assert node.counts.stalls == 1


@in_loop
async def test_what_it_has_not_started_stays_where_it_is_if_the_process_cannot_be_held() -> None:
    node = Node()
    node.ledger.assign(executions(2), node.now)
    node.look_after(1)
    node.look_after(LATE_S)
    await asyncio.gather(*node.tasks)
    assert (node.returned, node.ledger.held) == ([], 2)
    assert not [each for each in node.child.sent if isinstance(each, Recall)]


@in_loop
async def test_past_the_limit_it_is_killed_with_the_reason() -> None:
    node = Node()
    node.start()
    node.look_after(1)
    node.look_after(LATE_S)
    node.look_after(TIMEOUT_S - 1)
    assert not node.child.killed
    node.look_after(1)
    assert node.child.killed
    assert node.child.problem == "its event loop did not answer for 63 s (CURRANT_STALL_TIMEOUT_S)"
    assert node.overdue == []


@in_loop
async def test_what_is_past_its_timeout_and_the_grace_ends_with_its_child_before_the_limit() -> None:
    node = Node()
    node.start(timeout_s=500)
    short = node.start(timeout_s=5)
    node.start()
    node.look_after(1)
    node.look_after(LATE_S)
    node.look_after(5 + GRACE_S - 1)
    assert node.overdue == []
    node.look_after(1)
    assert node.overdue == [(7, [short.cell])]
    assert not node.child.killed


@in_loop
async def test_one_that_has_ended_is_forgotten() -> None:
    node = Node()
    node.look_after(1)
    node.stalls.forget(7)
    node.ledger.take_from(7, bool)
    node.look_after(LATE_S)
    assert node.tasks == []
    assert not node.answer(1)
    assert node.stalls.of_child(7) == (0.0, None)
