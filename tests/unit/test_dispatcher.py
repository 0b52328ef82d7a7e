"""The dispatcher: frames of bounded size, and backlogs that do not move go elsewhere."""

import asyncio

import pytest

from currant.executions import Ending, Execution, Outcome
from currant.protocol.frames import BATCH_BYTES, encode
from currant.protocol.work import Recall, Run, ToChild
from currant.supervisor import dispatcher
from currant.supervisor.dispatcher import MOVE_AFTER_S, RELEASE_AFTER_S, Dispatcher
from currant.supervisor.ledger import Ledger
from tests.support import in_loop
from tests.unit.support import executions

FRAME_BYTES_MAX = 3 * BATCH_BYTES


class Child:
    """A child's end: it keeps what it is sent."""

    def __init__(self) -> None:
        self.sent: list[ToChild] = []
        self.started: set[int] = set()
        self.cleared: list[int] = []
        self.recalled = asyncio.Event()

    def send(self, message: ToChild, bytes_max: int | None = None) -> None:
        encode(message, FRAME_BYTES_MAX if bytes_max is None else bytes_max)
        self.sent.append(message)
        if isinstance(message, Recall):
            self.recalled.set()

    def clear(self, cells: list[int]) -> None:
        self.cleared += cells

    def is_started(self, cell: int) -> bool:
        return cell in self.started

    def runs(self) -> list[list[Execution]]:
        return [message.executions for message in self.sent if isinstance(message, Run)]


class Node:
    """A dispatcher with children of so many slots, and a clock that the test moves."""

    def __init__(self, *slots: int) -> None:
        self.now = 0.0
        self.ledger = Ledger()
        self.children = [Child() for _ in slots]
        self.released: list[Execution] = []
        self.rejected: list[Execution] = []
        for child, count in enumerate(slots):
            self.ledger.add_child(child, count, self.now)
        self.dispatcher = Dispatcher(
            self.ledger,
            child=self.children.__getitem__,
            release=self.released.extend,
            reject=self.rejected.extend,
            frame_bytes_max=FRAME_BYTES_MAX,
            clock=lambda: self.now,
        )

    def make_quick(self, child: int, count: int) -> None:
        """Gives the child a pace of `count` executions in this window."""
        for each in executions(count):
            plan, _ = self.ledger.assign_to_slots([each], self.now)
            ((name, (given,)),) = plan.items()
            assert name == child
            self.ledger.finish(child, [Outcome(given.cell, Ending.COMPLETED)], self.now)


def test_each_child_gets_its_executions_in_one_frame_with_cells_that_are_clear() -> None:
    node = Node(2, 2)
    some = executions(4)
    node.dispatcher.dispatch(some)
    assert [len(run) for child in node.children for run in child.runs()] == [2, 2]
    for child in node.children:
        assert child.cleared == [each.cell for run in child.runs() for each in run]
    assert node.released == []


def test_what_nobody_has_room_for_any_more_is_released() -> None:
    node = Node(1)
    some = executions(3)
    node.dispatcher.dispatch(some)
    assert node.released == some[1:]


def test_without_children_everything_is_released() -> None:
    node = Node()
    some = executions(3)
    node.dispatcher.dispatch(some)
    assert node.released == some


def test_a_frame_is_bounded_but_for_a_single_execution() -> None:
    node = Node(20)
    some = executions(10, size=BATCH_BYTES // 4) + executions(1, size=2 * BATCH_BYTES)
    node.dispatcher.dispatch(some)
    runs = node.children[0].runs()
    assert [each for run in runs for each in run] == some
    assert all(len(run) <= 3 for run in runs)
    assert len(runs[-1]) == 1


def test_what_a_child_gave_back_goes_to_free_slots_or_is_released() -> None:
    node = Node(1, 2)
    some = executions(5)
    node.dispatcher.returned(some)
    assert sum(len(run) for child in node.children for run in child.runs()) == 3
    assert node.released == some[3:]


@in_loop
async def test_a_backlog_that_does_not_move_goes_to_free_slots_of_others() -> None:
    node = Node(1)
    node.make_quick(0, 5)
    node.dispatcher.dispatch(executions(4))
    node.ledger.add_child(1, 2, node.now)
    node.children.append(Child())
    cells = node.ledger.cells_of(0)
    node.children[0].started = {cells[0]}
    watching = asyncio.create_task(node.dispatcher.watch())
    node.now = MOVE_AFTER_S
    await node.children[0].recalled.wait()
    recall = node.children[0].sent[-1]
    # As many as there are free slots, the last of the backlog.
    assert recall == Recall(cells[-2:])
    node.dispatcher.returned(node.ledger.give_back(0, cells[-2:]))
    assert [len(run) for run in node.children[1].runs()] == [2]
    watching.cancel()


@in_loop
async def test_a_backlog_with_no_slot_in_sight_is_released_after_half_a_second() -> None:
    node = Node(1)
    node.make_quick(0, 5)
    node.dispatcher.dispatch(executions(4))
    cells = node.ledger.cells_of(0)
    node.children[0].started = {cells[0]}
    watching = asyncio.create_task(node.dispatcher.watch())
    node.now = RELEASE_AFTER_S
    await node.children[0].recalled.wait()
    assert node.children[0].sent[-1] == Recall(cells[1:])
    node.dispatcher.returned(node.ledger.give_back(0, cells[1:]))
    assert len(node.released) == 3
    watching.cancel()


@in_loop
async def test_after_a_stop_of_the_supervisor_itself_its_children_have_one_more_moment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dispatcher, "LOOK_AFTER_S", 0.0)
    node = Node(1)
    node.make_quick(0, 5)
    node.dispatcher.dispatch(executions(4))
    watching = asyncio.create_task(node.dispatcher.watch())
    await asyncio.sleep(0)
    node.now = 2 * RELEASE_AFTER_S
    await asyncio.sleep(0)
    assert not node.children[0].recalled.is_set()
    await asyncio.sleep(0)
    assert node.children[0].recalled.is_set()
    watching.cancel()


@in_loop
async def test_what_was_given_to_a_lent_slot_that_was_taken_back_meanwhile_goes_to_another_child() -> None:
    node = Node(1, 1)
    watch = asyncio.ensure_future(node.dispatcher.watch())
    waiting, busy, late = executions(3)
    node.dispatcher.dispatch([waiting, busy])
    node.ledger.lend(0, 1, node.now)
    node.dispatcher.dispatch([late])
    lender = node.children[0]
    lender.started.add(waiting.cell)
    assert [run[0] for run in lender.runs()] == [waiting, late]
    # The sender of both has its slot again before the late one came.
    node.ledger.lend(0, 0, node.now)
    node.dispatcher.backlog_came()
    node.ledger.finish(1, [Outcome(busy.cell, Ending.COMPLETED)], node.now)
    node.now += MOVE_AFTER_S
    await lender.recalled.wait()
    watch.cancel()
    assert lender.sent[-1] == Recall([late.cell])
    node.dispatcher.returned(node.ledger.give_back(0, [late.cell]))
    assert node.children[1].runs()[-1] == [late]


def test_a_drain_recalls_everything_that_has_not_started() -> None:
    node = Node(2, 2)
    node.dispatcher.dispatch(executions(4))
    started = node.ledger.cells_of(0)[0]
    node.children[0].started = {started}
    node.dispatcher.recall_all()
    assert node.children[0].sent[-1] == Recall(node.ledger.cells_of(0)[1:])
    assert node.children[1].sent[-1] == Recall(node.ledger.cells_of(1))


@in_loop
async def test_what_no_frame_can_hold_is_rejected_and_the_rest_goes_on() -> None:
    node = Node(8)
    small, huge = executions(2)
    huge.function = "x" * BATCH_BYTES
    node.dispatcher.dispatch([small, huge])
    assert node.children[0].runs() == [[small]]
    assert node.rejected == [huge]


def test_what_no_frame_can_hold_is_rejected_also_where_it_is_given_to_a_child_by_name() -> None:
    node = Node(1)
    (huge,) = executions(1)
    huge.function = "x" * BATCH_BYTES
    node.dispatcher.give(0, huge)
    assert node.rejected == [huge]
    assert node.children[0].sent == []
    assert node.ledger.held == 0
