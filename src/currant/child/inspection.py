"""What runs in this child at the moment, for how long, and where it stands: looked up when somebody asks.

Nothing is written down beforehand, for an execution would pay for it. When one began stands in the frame of its own
task, and which thread is whose in the frames of the thread.
"""

import asyncio
from collections.abc import Mapping
from contextvars import Context
from typing import Any

from currant import stacks
from currant.child.threads import run_in
from currant.context import CurrentExecution, running
from currant.executions import Execution
from currant.protocol.work import STACKS_CHARS_MAX, Inspect, Inspected, Inspection

Running = Mapping[int, "tuple[asyncio.Task[None], Execution]"]
#: The local variable of `Runner._run` that says when it began.
_BEGAN = "began_s"


def inspect(asked: Inspect, held: Running, now_s: float) -> Inspected:
    """Answers.

    Args:
        held: what has started and not ended, by cell.
        now_s: by the monotonic clock.
    """
    found = [Inspection(cell, _run_s(task, now_s)) for cell, (task, _) in held.items()]
    if not asked.stacks:
        return Inspected(asked.number, found)
    of, others = _stacks(held)
    left = STACKS_CHARS_MAX
    for each in found:
        text = "\n".join(of.get(each.cell, ()))
        if len(text) <= left:
            each.stack = text
            left -= len(text)
    return Inspected(asked.number, found, "\n".join(others)[:left])


def _run_s(task: "asyncio.Task[Any]", now_s: float) -> float | None:
    coroutine: Any = task.get_coro()
    frame = None if coroutine is None else coroutine.cr_frame
    began_s = None if frame is None else frame.f_locals.get(_BEGAN)
    return None if began_s is None else max(0.0, now_s - began_s)


def _stacks(held: Running) -> tuple[dict[int, list[str]], list[str]]:
    """Returns where each execution's tasks and threads stand, by cell, and where all others do.

    Of tasks no more than there is room for, since all the others wait meanwhile.
    """
    own = {task: cell for cell, (task, _) in held.items()}
    of: dict[int, list[str]] = {cell: [] for cell in held}
    others: list[str] = []
    for name, frame in stacks.of_threads():
        runs = stacks.caller(frame, run_in.__code__)
        context = None if runs is None else runs.f_locals.get("context")
        _list_of(context, held, of, others).append(f"Thread {name}:\n{stacks.of_frame(frame)}")
    left = STACKS_CHARS_MAX
    for task in (*own, *(asyncio.all_tasks() - own.keys())):
        if left <= 0:
            break
        text = stacks.of_task(task)
        left -= len(text)
        if task in own:
            of[own[task]].insert(0, text)
        else:
            _list_of(_context_of(task), held, of, others).append(f"Task {task.get_name()}:\n{text}")
    return of, others


def _context_of(task: "asyncio.Task[Any]") -> Context | None:
    # Python 3.12 and later.
    get = getattr(task, "get_context", None)
    return None if get is None else get()


def _list_of(context: Context | None, held: Running, of: dict[int, list[str]], others: list[str]) -> list[str]:
    """Returns the list of the execution that runs in this context, or the others'."""
    current: CurrentExecution | None = None if context is None else context.get(running)
    if current is None or current.cell not in held or held[current.cell][1].lease != current.lease:
        return others
    return of[current.cell]
