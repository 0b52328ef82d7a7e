"""What runs in a child and where it stands, looked up in the frames of its tasks and threads."""

import asyncio
import threading
from collections.abc import Coroutine
from contextvars import copy_context
from typing import Any

from currant.child.inspection import inspect
from currant.child.threads import run_in
from currant.context import CurrentExecution, running
from currant.executions import Execution
from currant.protocol import work
from currant.protocol.work import Inspect
from tests.support import comes_true, in_loop


def _execution(cell: int) -> Execution:
    return Execution(f"job_{cell}", 1, b"", "jobs.f", "test", 1, 0, 3, None, b"[]", b"{}", cell)


async def _waits(event: asyncio.Event) -> None:
    await asyncio.gather(_innermost(event))


async def _innermost(event: asyncio.Event) -> None:
    await event.wait()


async def _run(began_s: float, work: Coroutine[Any, Any, None]) -> None:
    await work


@in_loop
async def test_tasks_and_threads_are_told_by_execution() -> None:
    event, hold, here = asyncio.Event(), threading.Event(), threading.Event()

    def blocks() -> None:
        here.set()
        hold.wait()

    context = copy_context()
    context.run(running.set, CurrentExecution("job_2", 1, 1, "jobs.f", "test", cell=2))
    thread = threading.Thread(target=run_in, args=(blocks, context), name="user's")
    thread.start()
    held = {
        1: (asyncio.ensure_future(_run(10.0, _innermost(event))), _execution(1)),
        2: (asyncio.ensure_future(_run(11.0, _waits(event))), _execution(2)),
    }
    alone = asyncio.create_task(_innermost(event), name="alone")
    await comes_true(here.is_set)
    for _ in range(5):
        # A task of theirs begins a turn later.
        await asyncio.sleep(0)
    try:
        short = inspect(Inspect(1), held, 12.0)
        assert [(each.cell, each.run_s, each.stack) for each in short.executions] == [(1, 2.0, ""), (2, 1.0, "")]
        told = inspect(Inspect(2, stacks=True), held, 12.0)
        first, second = (each.stack for each in told.executions)
        assert first.index("in _run") < first.index("in _innermost") < first.index("in wait")
        assert "in blocks" in second
        assert "in blocks" not in first + told.others
        assert "Task alone:" in told.others
        # Our own: it answers.
        assert "Thread MainThread" not in told.others
    finally:
        hold.set()
        event.set()
        thread.join()
        await asyncio.gather(alone, *(task for task, _ in held.values()))


@in_loop
async def test_stacks_have_a_limit() -> None:
    event = asyncio.Event()
    held = {cell: (asyncio.ensure_future(_run(0.0, _waits(event))), _execution(cell)) for cell in range(2000)}
    await asyncio.sleep(0)
    told = inspect(Inspect(1, stacks=True), held, 1.0)
    assert sum(len(each.stack) for each in told.executions) <= work.STACKS_CHARS_MAX
    assert told.executions[0].stack
    assert not told.executions[-1].stack
    event.set()
    await asyncio.gather(*(task for task, _ in held.values()))
