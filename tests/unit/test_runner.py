"""The runner: what is cancelled ends as it was asked to, started or not."""

import asyncio
import os
from collections.abc import Callable
from typing import Any

from currant.child.runner import Runner
from currant.child.threads import Threads
from currant.executions import CANCELLED, Ending, Execution, Outcome
from currant.protocol import cells, work
from currant.registry import Definition
from tests.support import in_loop

LIMIT = 1 << 20


def execution(cell: int) -> Execution:
    return Execution(f"job_{cell}", 1, b"", "app.f", "q", 1, 0, 3, None, b"[]", b"{}", cell)


class Supervised:
    """A runner of one function, and what it sends."""

    def __init__(self, function: Callable[[], Any], concurrency: int = 4) -> None:
        self.sent: list[work.FromChild] = []
        self._came = asyncio.Event()
        fd = cells.create()
        definition = Definition("app.f", function, "q", 3, None, 5)
        self.runner = Runner(
            self._send,
            lambda _: definition,
            cells.Cells(fd),
            concurrency,
            LIMIT,
            asyncio.get_running_loop(),
            Threads("currant-0", lambda cell: self._send(work.Overrun(cell))),
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
            outcomes = [each for some in self.sent if isinstance(some, work.Outcomes) for each in some.outcomes]
            if len(outcomes) >= count:
                return outcomes
            self._came.clear()
            await self._came.wait()


@in_loop
async def test_what_is_cancelled_before_its_first_step_is_released() -> None:
    child = Supervised(asyncio.Event().wait)
    child.receive(work.Run([execution(7)]))
    # The runner's turn comes first, and before eager tasks (3.12) it only makes the task.
    await asyncio.sleep(0)
    child.receive(work.Cancel([7]))
    assert await child.outcomes(1) == [Outcome(7, Ending.RELEASED)]


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
