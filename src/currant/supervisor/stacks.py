"""The Python stacks of children, which write them when a signal asks for it, and of the supervisor itself."""

import asyncio
import sys
import threading
import traceback
from collections.abc import Iterable
from typing import Protocol

from currant.protocol.cells import STACK_SIGNAL, Cells
from currant.supervisor import processes
from currant.supervisor.events import Event, Log
from currant.supervisor.processes import HELD, Process

#: How long a child may take to write them; they are complete when for LOOK_S nothing more has come.
WAIT_S, LOOK_S = 2.0, 0.05
#: What a line of the log holds of them.
CHARS_MAX = 16_000


class Child(Process, Protocol):
    """What is needed of a child."""

    @property
    def cells(self) -> Cells: ...


class Stacks:
    """Asks for stacks. A child is asked once at a time: who asks meanwhile gets the same answer."""

    def __init__(self, log: Log) -> None:
        self._log = log
        #: By pid.
        self._asked: dict[int | None, asyncio.Task[str]] = {}

    async def of(self, child: Child) -> str:
        """Returns the stacks of all the child's threads, innermost calls first, or why there are none."""
        task = self._asked.get(child.pid)
        if task is None:
            task = self._asked[child.pid] = asyncio.ensure_future(_ask(child))
            task.add_done_callback(lambda _: self._asked.pop(child.pid, None))
        return await asyncio.shield(task)

    async def dump(self, children: Iterable[tuple[int, Child]]) -> None:
        """Writes the supervisor's stacks, and those of the children (each with its place), to the log."""
        self._log.warning(Event.STACKS, process="supervisor", pid=None, stack=own())

        async def one(place: int, child: Child) -> None:
            stack = await self.of(child)
            self._log.warning(Event.STACKS, process=f"child {place}", pid=child.pid, stack=stack)

        await asyncio.gather(*(one(place, child) for place, child in children))


async def _ask(child: Child) -> str:
    if child.pidfd is None:
        return "none: the process has ended"
    if processes.condition(child) in HELD:
        return f"none: the process is {processes.condition(child)}"
    child.cells.rewind_stack()
    processes.send(child, STACK_SIGNAL)
    written = b""
    for _ in range(round(WAIT_S / LOOK_S)):
        await asyncio.sleep(LOOK_S)
        if child.pidfd is None:
            return "none: the process has ended"
        before, written = written, child.cells.stack()
        if written and written == before:
            return _cut(written.decode("utf-8", "replace"))
    return _cut(written.decode("utf-8", "replace")) or (
        f"none within {WAIT_S:g} s: the process is {processes.condition(child)}"
    )


def own() -> str:
    """Returns the stacks of the supervisor's threads, and where its tasks wait."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    parts = [
        f"Thread {names.get(ident, ident)}:\n{''.join(traceback.format_stack(frame)).rstrip()}"
        for ident, frame in sys._current_frames().items()
    ]
    for task in sorted(asyncio.all_tasks(), key=lambda task: task.get_name()):
        (frame,) = task.get_stack(limit=1) or (None,)
        where = f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}" if frame else "ended"
        parts.append(f"Task {task.get_name()}: {where}")
    return _cut("\n".join(parts))


def _cut(text: str) -> str:
    return text if len(text) <= CHARS_MAX else f"{text[:CHARS_MAX]}\n… {len(text) - CHARS_MAX} characters more"
