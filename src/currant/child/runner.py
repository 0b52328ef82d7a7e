"""From frames to tasks and back: which executions run in this child, and what became of them.

All work is done in turns of the event loop. A turn starts what the slots allow and sends the outcomes that have
gathered since the last one, in one frame where they fit. With eager tasks (Python 3.12) a function that never waits
begins and ends within the turn.
"""

import asyncio
import os
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable
from contextvars import Context, copy_context

from currant.child.executor import cancelled, execute
from currant.child.failures import encode_error
from currant.child.threads import Threads
from currant.executions import Ending, Execution, Outcome
from currant.protocol.cells import Cells
from currant.protocol.frames import BATCH_BYTES
from currant.protocol.work import Cancel, FromChild, Outcomes, Recall, Recalled, Run, ToChild
from currant.registry import Definition

#: A turn stops starting executions after so many, or so long, and lets the loop send and receive.
_STARTS_MAX = 500
_TURN_S = 0.005
#: EX_SOFTWARE of sysexits.h.
_EXIT_BROKEN = 70


class Runner:
    """Runs at most `concurrency` executions at a time, in the order in which they came."""

    def __init__(
        self,
        send: Callable[[FromChild], None],
        lookup: Callable[[str], Definition | None],
        cells: Cells,
        concurrency: int,
        payload_bytes_max: int,
        loop: asyncio.AbstractEventLoop,
        threads: Threads,
    ) -> None:
        self._send = send
        self._lookup = lookup
        self._cells = cells
        self._concurrency = concurrency
        self._payload_bytes_max = payload_bytes_max
        self._loop = loop
        self._threads = threads
        #: Each execution gets a copy: none sees the context variables of another.
        self._context = copy_context()
        self._backlog: deque[Execution] = deque()
        self._running: dict[int, asyncio.Task[None]] = {}
        #: The cells of what runs and is to be cancelled, and how it ends by that.
        self._cancel_asked: dict[int, Ending] = {}
        self._outcomes: list[Outcome] = []
        self._outcome_bytes = 0
        self._turn_is_due = False

    @property
    def context(self) -> Context:
        """What is set in it, each execution that starts afterwards finds in its copy."""
        return self._context

    def receive(self, message: ToChild) -> None:
        """Takes a message of the supervisor's."""
        if type(message) is Run:
            self._backlog.extend(message.executions)
            self._ask_for_turn()
        elif type(message) is Recall:
            self._send(Recalled([execution.cell for execution in self._take_unstarted(set(message.cells))]))
        elif type(message) is Cancel:
            self._cancel(set(message.cells), message.ending)

    def close(self) -> list[asyncio.Task[None]]:
        """Drops what has not started and cancels what runs; returns the tasks, which may need some time to end."""
        self._backlog.clear()
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        return tasks

    def _ask_for_turn(self) -> None:
        if not self._turn_is_due:
            self._turn_is_due = True
            self._loop.call_soon(self._turn, context=self._context)

    def _turn(self) -> None:
        try:
            self._start_some()
            self._flush()
        except BaseException:
            # A mistake of ours, since user code cannot raise into here: the loop would log it and go on without us.
            traceback.print_exc()
            os._exit(_EXIT_BROKEN)
        self._turn_is_due = False
        if self._backlog and len(self._running) < self._concurrency:
            self._ask_for_turn()

    def _start_some(self) -> None:
        backlog, running, start, clock = self._backlog, self._running, self._start, time.monotonic
        deadline = clock() + _TURN_S
        for _ in range(_STARTS_MAX):
            if not backlog or len(running) >= self._concurrency:
                return
            start(backlog.popleft())
            if clock() > deadline:
                return

    if sys.version_info >= (3, 12):

        def _start(self, execution: Execution) -> None:
            self._cells.mark_started(execution.cell)
            task = asyncio.Task(
                self._run(execution),
                loop=self._loop,
                name=execution.id,
                context=self._context.copy(),
                eager_start=True,
            )
            if not task.done():
                self._running[execution.cell] = task
    else:

        def _start(self, execution: Execution) -> None:
            self._cells.mark_started(execution.cell)
            task = asyncio.Task(self._run(execution), loop=self._loop, name=execution.id, context=self._context.copy())
            self._running[execution.cell] = task
            task.add_done_callback(self._settle_unborn)

        def _settle_unborn(self, task: asyncio.Task[None]) -> None:
            """Ends what was cancelled before its first step, in which case not a line of `_run` has run."""
            if not task.cancelled():
                return
            for cell in [cell for cell, other in self._running.items() if other is task]:
                if cell in self._cancel_asked:
                    self._finish(cell, *cancelled(self._cancel_asked[cell]))
                else:
                    self._finish(cell, Ending.FAILED, encode_error(asyncio.CancelledError()))

    async def _run(self, execution: Execution) -> None:
        try:
            ending, body, delay_s = await execute(
                execution, self._lookup(execution.function), self._payload_bytes_max, self._cancel_asked, self._threads
            )
        except BaseException as error:
            # A GeneratorExit out of a task that user code awaits: asyncio throws it into this coroutine, which closes
            # `execute` in the middle and drops what that returns.
            ending, body, delay_s = Ending.FAILED, encode_error(error), None
        self._finish(execution.cell, ending, body, delay_s)

    def _finish(self, cell: int, ending: Ending, body: bytes | None, delay_s: float | None = None) -> None:
        self._running.pop(cell, None)
        if self._cancel_asked:
            self._cancel_asked.pop(cell, None)
        self._outcomes.append(Outcome(cell, ending, body, delay_s))
        if body is not None:
            self._outcome_bytes += len(body)
        if not self._turn_is_due:
            self._ask_for_turn()

    def _flush(self) -> None:
        outcomes = self._outcomes
        if not outcomes:
            return
        batches = [outcomes] if self._outcome_bytes <= BATCH_BYTES else _cut(outcomes)
        self._outcomes, self._outcome_bytes = [], 0
        for batch in batches:
            self._send(Outcomes(batch))

    def _cancel(self, cells: set[int], ending: Ending) -> None:
        for execution in self._take_unstarted(cells):
            self._finish(execution.cell, *cancelled(ending))
        for cell in cells & self._running.keys():
            # Whoever asked for its end by name is not overruled by a drain.
            if self._cancel_asked.get(cell) is not Ending.CANCELLED:
                self._cancel_asked[cell] = ending
            self._running[cell].cancel()

    def _take_unstarted(self, cells: set[int]) -> list[Execution]:
        """Takes those in `cells` out of the backlog and returns them."""
        taken = [execution for execution in self._backlog if execution.cell in cells]
        if taken:
            self._backlog = deque(execution for execution in self._backlog if execution.cell not in cells)
        return taken


def _cut(outcomes: list[Outcome]) -> list[list[Outcome]]:
    """Returns the outcomes in batches of about BATCH_BYTES each."""
    batches: list[list[Outcome]] = [[]]
    size = 0
    for outcome in outcomes:
        if size > BATCH_BYTES:
            batches.append([])
            size = 0
        batches[-1].append(outcome)
        size += len(outcome.body or b"")
    return batches
