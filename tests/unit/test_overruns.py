"""Children with what nothing can end: closed, opened when it ended by itself, replaced when nothing else is left."""

import asyncio

from currant.executions import Ending, Execution, Outcome
from currant.supervisor.child import Restart
from currant.supervisor.ledger import Ledger
from currant.supervisor.overruns import Overruns
from tests.support import in_loop
from tests.unit.support import executions

GRACE_S = 30.0


class Node:
    """Two children of four slots each, and what is asked of them."""

    def __init__(self, grace_s: float = GRACE_S) -> None:
        self.ledger = Ledger()
        for child in (0, 1):
            self.ledger.add_child(child, 4, 0.0)
        self.recalled: list[int] = []
        self.replaced: list[tuple[int, str]] = []
        self.came = asyncio.Event()
        self.overruns = Overruns(self.ledger, recall=self.recalled.append, replace=self._replace, grace_s=grace_s)

    def _replace(self, child: int, reason: str, why: Restart) -> None:
        assert why is Restart.TIMEOUT
        self.replaced.append((child, reason))
        self.came.set()

    def give(self, count: int) -> list[Execution]:
        """Gives the executions; the even ones go to child 0."""
        some = executions(count)
        plan, rest = self.ledger.assign(some, 0.0)
        assert not rest
        return plan[0]

    def end(self, execution: Execution, child: int = 0) -> None:
        self.ledger.finish(child, [Outcome(execution.cell, Ending.COMPLETED)], 0.0)
        self.overruns.look(child)


@in_loop
async def test_a_child_with_an_overrun_is_closed_and_its_unstarted_work_recalled_once() -> None:
    node = Node()
    first, second = node.give(4)
    node.overruns.note(0, first.cell, Ending.FAILED)
    assert (node.ledger.free, node.recalled, node.replaced) == (2, [0], [])
    node.overruns.note(0, first.cell, Ending.FAILED)
    assert (node.recalled, node.replaced) == ([0], [])
    # The other child is as it was.
    assert set(node.ledger.assign(executions(2), 0.0)[0]) == {1}
    node.end(second)
    assert node.replaced == [(0, f"{first.id} could not be ended")]


@in_loop
async def test_when_the_overrun_has_ended_by_itself_the_child_is_open_again() -> None:
    node = Node()
    first, _ = node.give(4)
    node.overruns.note(0, first.cell, Ending.FAILED)
    node.end(first)
    assert (node.ledger.free, node.replaced) == (5, [])
    assert node.overruns.take(0) == {}


@in_loop
async def test_a_child_with_overruns_alone_is_replaced_at_once_and_never_opened_again() -> None:
    node = Node()
    first, second = node.give(4)
    node.overruns.note(0, first.cell, Ending.FAILED)
    node.overruns.note(0, second.cell, Ending.CANCELLED)
    assert node.replaced == [(0, f"{first.id} could not be ended, nor 1 more")]
    # Its last words: one of them ended after all, while it is being killed.
    node.end(first)
    node.end(second)
    assert (node.ledger.free, len(node.replaced)) == (2, 1)
    assert node.overruns.take(0) == {first.cell: Ending.FAILED, second.cell: Ending.CANCELLED}
    assert node.overruns.take(0) == {}


@in_loop
async def test_after_the_grace_it_is_replaced_whatever_else_runs() -> None:
    node = Node(grace_s=0.01)
    first, _ = node.give(4)
    node.overruns.note(0, first.cell, Ending.FAILED)
    assert node.replaced == []
    await node.came.wait()
    assert node.replaced == [(0, f"{first.id} could not be ended")]
    assert node.overruns.take(0) == {first.cell: Ending.FAILED}


@in_loop
async def test_the_death_of_a_child_ends_its_grace() -> None:
    node = Node(grace_s=0.01)
    first, _ = node.give(4)
    node.overruns.note(0, first.cell, Ending.FAILED)
    assert node.overruns.take(0) == {first.cell: Ending.FAILED}
    node.ledger.take_from(0, bool)
    # The next child of that place.
    node.ledger.add_child(0, 4, 0.0)
    await asyncio.sleep(0.05)
    assert (node.replaced, node.ledger.free) == ([], 6)


@in_loop
async def test_a_cancel_of_what_ran_past_its_timeout_ends_it_as_cancelled() -> None:
    node = Node()
    first, _ = node.give(4)
    node.overruns.note(0, first.cell, Ending.FAILED)
    node.overruns.note(0, first.cell, Ending.CANCELLED)
    node.overruns.note(0, first.cell, Ending.FAILED)
    assert node.overruns.take(0) == {first.cell: Ending.CANCELLED}


@in_loop
async def test_what_has_ended_meanwhile_is_no_overrun() -> None:
    node = Node()
    first, _ = node.give(4)
    node.end(first)
    node.overruns.note(0, first.cell, Ending.FAILED)
    assert (node.ledger.free, node.recalled, node.overruns.take(0)) == (5, [], {})


@in_loop
async def test_a_child_that_does_not_answer_is_replaced_at_once_whatever_else_it_runs() -> None:
    node = Node()
    first, second = node.give(4)
    node.overruns.kill(0, [first.cell])
    assert node.replaced == [(0, f"{first.id} could not be ended")]
    # It is asked for again, until the child is dead.
    node.overruns.kill(0, [first.cell, second.cell])
    assert len(node.replaced) == 1
    assert node.overruns.take(0) == {first.cell: Ending.TIMED_OUT, second.cell: Ending.TIMED_OUT}


@in_loop
async def test_a_cancel_of_what_makes_its_child_not_answer_ends_it_as_cancelled() -> None:
    node = Node()
    first, _ = node.give(4)
    node.overruns.note(0, first.cell, Ending.CANCELLED)
    node.overruns.kill(0, [first.cell])
    assert node.overruns.take(0) == {first.cell: Ending.CANCELLED}


@in_loop
async def test_an_overrun_that_was_a_lie_and_is_taken_away_unstarted_replaces_no_child() -> None:
    node = Node(grace_s=0.01)
    first, _ = node.give(4)
    node.overruns.note(0, first.cell, Ending.FAILED)
    # It had not started, and the child does not answer: nothing comes from it that would be a reason to look.
    assert node.ledger.withdraw(0, [first.cell]) == [first]
    failed: list[object] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: failed.append(context))
    # Timers come in the order of their times.
    over = asyncio.Event()
    loop.call_later(0.05, over.set)
    await over.wait()
    assert (failed, node.replaced, node.ledger.free, node.overruns.take(0)) == ([], [], 5, {})
