"""The runner: what is cancelled ends as it was asked to, started or not."""

import asyncio
import os
import sys
from collections.abc import Callable
from typing import Any

from currant.child.overdue import Overdue
from currant.child.runner import Runner
from currant.child.threads import Threads
from currant.context import current_execution
from currant.executions import CANCELLED, Ending, Execution, Outcome
from currant.protocol import cells, work
from currant.registry import Definition
from tests.support import in_loop, outcomes_in

LIMIT = 1 << 20


def execution(cell: int, timeout_s: float | None = None) -> Execution:
    return Execution(f"job_{cell}", 1, b"", "app.f", "q", 1, 0, 3, timeout_s, b"[]", b"{}", cell)


class Supervised:
    """A runner of one function, and what it sends."""

    def __init__(self, function: Callable[[], Any], concurrency: int = 4, *, is_async: bool = True) -> None:
        self.now = 0.0
        self.sent: list[work.FromChild] = []
        self._came = asyncio.Event()
        fd = cells.create()
        self.cells = cells.Cells(fd)
        definition = Definition("app.f", function, "q", 3, None, 5, is_async=is_async)
        self.runner = Runner(
            self._send,
            lambda _: definition,
            self.cells,
            concurrency,
            LIMIT,
            asyncio.get_running_loop(),
            Threads("currant-0", lambda cell: self._send(work.Overrun(cell))),
            Overdue(1.0, lambda cell: self._send(work.Overrun(cell)), lambda: self.now),
        )
        os.close(fd)

    def _send(self, message: work.FromChild) -> None:
        self.sent.append(message)
        self._came.set()

    def receive(self, message: work.ToChild) -> None:
        self.runner.receive(message)

    async def outcomes(self, count: int) -> list[Outcome]:
        """Returns the outcomes when there are so many."""
        while True:
            outcomes = [each for some in self.sent if isinstance(some, work.Outcomes) for each in outcomes_in(some)]
            if len(outcomes) >= count:
                return outcomes
            self._came.clear()
            await self._came.wait()


@in_loop
async def test_what_is_cancelled_before_its_first_step_is_released() -> None:
    child = Supervised(asyncio.Event().wait)
    child.receive(work.Run([execution(7)]))
    # Before eager tasks (3.12) it has only made the task.
    child.receive(work.Cancel([7]))
    assert await child.outcomes(1) == [Outcome(7, Ending.RELEASED)]


@in_loop
async def test_of_many_started_in_one_turn_each_that_never_began_ends_once_and_the_others_as_they_do() -> None:
    async def cancel_the_next() -> None:
        others = [each for each in asyncio.all_tasks() if each.get_name() == "job_2"]
        for each in others:
            each.cancel()

    child = Supervised(cancel_the_next)
    child.receive(work.Run([execution(cell) for cell in (1, 2, 3)]))
    endings = {each.cell: each.ending for each in await child.outcomes(3)}
    # With eager tasks (3.12) each has ended before the next is made.
    begins_at_once = sys.version_info >= (3, 12)
    assert endings == {
        1: Ending.COMPLETED,
        2: Ending.COMPLETED if begins_at_once else Ending.FAILED,
        3: Ending.COMPLETED,
    }
    assert len(await child.outcomes(3)) == 3


@in_loop
async def test_what_has_ended_is_told_while_all_slots_wait_and_others_are_in_line() -> None:
    async def waits_from_the_seventh_on() -> None:
        if current_execution().cell >= 7:
            await asyncio.Event().wait()

    child = Supervised(waits_from_the_seventh_on, concurrency=2)
    child.receive(work.Run([execution(cell) for cell in range(1, 20)]))
    assert {each.cell for each in await child.outcomes(6)} == {1, 2, 3, 4, 5, 6}
    await asyncio.wait(child.runner.close())


@in_loop
async def test_who_cancels_itself_in_its_last_step_has_completed_and_ends_once() -> None:
    async def cancel_myself() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()

    child = Supervised(cancel_myself)
    child.receive(work.Run([execution(1)]))
    await child.outcomes(1)
    await asyncio.sleep(0)
    child.receive(work.Run([execution(1)]))
    await child.outcomes(2)
    await asyncio.sleep(0)
    assert await child.outcomes(2) == 2 * [Outcome(1, Ending.COMPLETED, b"null")]


@in_loop
async def test_by_request_what_runs_and_what_has_not_started_ends_as_cancelled() -> None:
    begun = asyncio.Event()

    async def wait() -> None:
        begun.set()
        await asyncio.Event().wait()

    child = Supervised(wait, concurrency=1)
    child.receive(work.Run([execution(1), execution(2), execution(3)]))
    await begun.wait()
    child.receive(work.Cancel([2], Ending.CANCELLED))
    assert await child.outcomes(1) == [Outcome(2, Ending.CANCELLED, CANCELLED)]
    begun.clear()
    child.receive(work.Cancel([1], Ending.CANCELLED))
    assert (await child.outcomes(2))[1:] == [Outcome(1, Ending.CANCELLED, CANCELLED)]
    # Its slot is free for the next.
    await begun.wait()


@in_loop
async def test_a_drain_does_not_overrule_who_asked_before() -> None:
    asked, begun = asyncio.Event(), asyncio.Event()

    async def slow_to_go() -> None:
        try:
            begun.set()
            await asyncio.Event().wait()
        finally:
            asked.set()
            await asyncio.Event().wait()

    child = Supervised(slow_to_go)
    child.receive(work.Run([execution(1)]))
    await begun.wait()
    child.receive(work.Cancel([1], Ending.CANCELLED))
    await asked.wait()
    child.receive(work.Cancel([1], Ending.RELEASED))
    assert await child.outcomes(1) == [Outcome(1, Ending.CANCELLED, CANCELLED)]


@in_loop
async def test_who_swallows_a_cancel_and_finishes_has_completed() -> None:
    begun = asyncio.Event()

    async def swallow() -> str:
        try:
            begun.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "all the same"
        return "never"

    child = Supervised(swallow)
    child.receive(work.Run([execution(1)]))
    await begun.wait()
    child.receive(work.Cancel([1], Ending.CANCELLED))
    assert await child.outcomes(1) == [Outcome(1, Ending.COMPLETED, b'"all the same"')]


@in_loop
async def test_the_wait_that_a_function_asked_for_travels_with_its_outcome() -> None:
    from currant import Retry

    async def busy() -> None:
        raise Retry("busy", after=9)

    child = Supervised(busy)
    child.receive(work.Run([execution(1)]))
    (outcome,) = await child.outcomes(1)
    assert (outcome.ending, outcome.delay_s) == (Ending.RETRIED, 9.0)


@in_loop
async def test_what_was_given_to_another_child_meanwhile_is_dropped() -> None:
    runs: list[int] = []

    async def run() -> None:
        runs.append(1)

    child = Supervised(run)
    child.cells.recall([1])
    child.receive(work.Run([execution(1), execution(2)]))
    assert await child.outcomes(1) == [Outcome(2, Ending.COMPLETED, b"null")]
    assert runs == [1]


@in_loop
async def test_one_that_goes_on_after_its_timeout_and_the_grace_is_told_of_once() -> None:
    begun = asyncio.Event()

    async def stubborn() -> None:
        while not child.now:
            begun.set()
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                await asyncio.sleep(0)

    child = Supervised(stubborn)
    child.receive(work.Run([execution(1, timeout_s=0.01), execution(2)]))
    await begun.wait()
    assert child.runner.look()
    child.now = 1.0  # within the grace
    child.runner.look()
    child.now = 2.0
    child.runner.look()
    child.runner.look()
    assert child.sent == [work.Overrun(1)]


@in_loop
async def test_an_idle_runner_has_nothing_to_look_at() -> None:
    assert not Supervised(asyncio.Event().wait).runner.look()
