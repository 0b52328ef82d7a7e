"""From frames to tasks and back: which executions run in this child, and what became of them.

All work is done in turns of the event loop. A turn starts what the slots allow and sends the outcomes that have
gathered since the last one, in one frame where they fit. With eager tasks (Python 3.12) a function that never waits
begins and ends within the turn. Without them the first steps come behind the turn, and another turn behind those.
"""

import asyncio
import os
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable
from contextvars import Context, copy_context

from currant.child import binding
from currant.child.binding import Binding
from currant.child.executor import COMPLETED_NONE, Result, cancelled, execute
from currant.child.failures import encode_error
from currant.child.inspection import inspect
from currant.child.kinds import Kind, Kinds
from currant.child.meter import Meter
from currant.child.overdue import Overdue
from currant.child.slots import Lender, Slots
from currant.child.stopwatch import Stopwatch
from currant.child.threads import Threads
from currant.context import CurrentExecution, running
from currant.executions import Ending, Execution, Outcome
from currant.protocol.cells import CELLS_MAX, Cells
from currant.protocol.frames import BATCH_BYTES, cut
from currant.protocol.timings import Timings
from currant.protocol.work import Cancel, FromChild, Inspect, Lend, Outcomes, Recall, Recalled, Run, ToChild
from currant.registry import Definition

#: A turn stops starting executions after so many, or so long, and lets the loop send and receive.
_STARTS_MAX = 500
_TURN_S = 0.005
#: So many executions may lend their slots at a time: the cells must suffice for these and for what runs meanwhile.
LENT_MAX = CELLS_MAX // 2
#: EX_SOFTWARE of sysexits.h.
_EXIT_BROKEN = 70
#: Whether tasks take their first step within the turn that starts them, or after it.
_EAGER = sys.version_info >= (3, 12)


class Runner:
    """Runs at most `concurrency` executions at a time, beside those that wait for others, in the order they came in."""

    def __init__(
        self,
        send: Callable[[FromChild], None],
        lookup: Callable[[str], Definition | None],
        cells: Cells,
        concurrency: int,
        payload_bytes_max: int,
        loop: asyncio.AbstractEventLoop,
        threads: Threads,
        overdue: Overdue,
    ) -> None:
        self._send = send
        self._cells = cells
        self._payload_bytes_max = payload_bytes_max
        self._loop = loop
        self._threads, self._overdue = threads, overdue
        #: Each execution gets a copy: none sees the context variables of another.
        self._context = copy_context()
        self._stopwatch = Stopwatch(time.monotonic)
        self._kinds = Kinds(lookup, Binding(self._context), self._stopwatch)
        self._backlog: deque[Execution] = deque()
        #: What runs, by cell.
        self._running: dict[int, tuple[asyncio.Task[None], Execution]] = {}
        #: What is in its very first step, with eager tasks; without them, the tasks whose first step is still to come.
        self._starting: Execution | None = None
        self._unborn: list[asyncio.Task[None]] = []
        self._slots = Slots(concurrency, min(LENT_MAX, CELLS_MAX - concurrency), self._running)
        self._lent_told = 0
        self._meter = Meter(concurrency, cells.write_busy, time.monotonic)
        #: The cells of what runs and is to be cancelled, and how it ends by that.
        self._cancel_asked: dict[int, Ending] = {}
        self._outcomes: list[Outcome] = []
        self._outcome_bytes = 0
        #: The cells of what completed and returned None.
        self._done: list[int] = []
        #: When the first of what is not answered came, or outcomes were sent last.
        self._spent_from = 0.0
        self._turn_is_due = False

    @property
    def context(self) -> Context:
        """What is set in it, each execution that starts afterwards finds in its copy."""
        return self._context

    def receive(self, message: ToChild) -> None:
        """Takes a message of the supervisor's."""
        if type(message) is Run:
            if not self._running and not self._backlog:
                self._spent_from = time.monotonic()
            self._backlog.extend(message.executions)
            if not self._turn_is_due:
                # At once: another round of the loop would cost a quarter of what a few short executions do.
                self._turn_is_due = True
                self._meter.steady()
                self._context.run(self._turn)
        elif type(message) is Recall:
            self._send(Recalled([execution.cell for execution in self._take_unstarted(set(message.cells))]))
        elif type(message) is Cancel:
            self._cancel(set(message.cells), message.ending)
        elif type(message) is Inspect:
            self._send(inspect(message, self._running, time.monotonic()))

    def look(self) -> bool:
        """Tells of what should have ended long ago; returns whether anything runs. To be called once a second."""
        self._overdue.look(self._running)
        return bool(self._running)

    def timings(self) -> list[Timings]:
        """Returns what has been measured and not been sent with outcomes, to be sent with something else."""
        return self._stopwatch.take()

    def lend(self) -> Lender | None:
        """Lends the slot of the execution that the calling code belongs to, until `take_back` or `break_off`.

        Returns None when there is nothing to take back: the code belongs to none, or that has ended, or LENT_MAX lend.
        """
        execution = running.get(None)
        if execution is None or not self._runs(execution):
            return None
        self._ask_for_turn()
        return self._slots.begin(execution.cell)

    async def take_back(self, lender: Lender) -> None:
        """Takes a lent slot back when one is free: before anything new starts."""
        done = self._loop.create_future()

        def granted() -> None:
            if not done.done():
                done.set_result(None)

        self._ask_for_turn()
        if self._slots.end(lender, granted):
            return
        try:
            await done
        except BaseException:
            self._slots.break_off(lender, granted)
            self._ask_for_turn()
            raise

    def break_off(self, lender: Lender) -> None:
        """Takes a lent slot back at once, free or not: a cancellation is not to wait."""
        self._slots.break_off(lender)
        self._ask_for_turn()

    def close(self) -> list[asyncio.Task[None]]:
        """Drops what has not started and cancels what runs; returns the tasks, which may need some time to end."""
        self._backlog.clear()
        tasks = [task for task, _ in self._running.values()]
        for task in tasks:
            task.cancel()
        return tasks

    def _runs(self, execution: CurrentExecution) -> bool:
        # Code that goes on after its execution's end has no slot, and the cell may be another's by now.
        held = self._running.get(execution.cell)
        if held is not None and held[1].lease == execution.lease:
            return True
        starting = self._starting
        return starting is not None and (starting.cell, starting.lease) == (execution.cell, execution.lease)

    def _active(self) -> int:
        """Returns how many executions have begun and not ended, but for those that have lent their slots."""
        return max(0, len(self._running) - len(self._unborn) - self._slots.lent)

    def _ask_for_turn(self) -> None:
        if not self._turn_is_due:
            self._turn_is_due = True
            self._meter.steady()
            self._loop.call_soon(self._turn, context=self._context)

    def _turn(self) -> None:
        try:
            if self._unborn:
                self._settle_unborn()
            stepping = _EAGER and len(self._backlog) > 0
            self._meter.note(self._active(), stepping=stepping, briefly=not stepping)
            if self._slots.lenders:
                self._slots.grant()
            self._kinds.forget()
            self._start_some()
            self._meter.note(self._active(), stepping=len(self._unborn) > 0)
            if self._slots.lent != self._lent_told:
                # Before the outcomes: for a moment the supervisor rather knows of too few slots than of too many.
                self._lent_told = self._slots.lent
                self._send(Lend(self._lent_told))
            if not self._unborn or self._is_much_to_tell():
                self._flush()
        except BaseException:
            # A mistake of ours, since user code cannot raise into here: the loop would log it and go on without us.
            traceback.print_exc()
            os._exit(_EXIT_BROKEN)
        self._turn_is_due = False
        if self._unborn or (self._backlog and len(self._running) < self._slots.limit):
            # Behind the first steps. A callback of each task's own would cost a tenth of its run.
            self._ask_for_turn()

    def _is_much_to_tell(self) -> bool:
        """Whether the outcomes are not to wait for those of what begins now, with which a frame is shared."""
        return len(self._done) + len(self._outcomes) >= _STARTS_MAX or time.monotonic() - self._spent_from > _TURN_S

    def _start_some(self) -> None:
        backlog, running, start, clock = self._backlog, self._running, self._start, time.monotonic
        slots = self._slots
        deadline = clock() + _TURN_S
        for _ in range(_STARTS_MAX):
            if not backlog or len(running) >= slots.limit:
                return
            start(backlog.popleft())
            if _EAGER and clock() > deadline:
                return

    if sys.version_info >= (3, 12):

        def _start(self, execution: Execution) -> None:
            if not self._cells.start(execution.cell):
                # While we did not answer, it was given to another child.
                return
            kind = self._kinds.of(execution)
            self._starting = execution
            task = asyncio.Task(
                self._run(execution, kind),
                loop=self._loop,
                name=execution.id,
                context=kind.context.copy(),
                eager_start=True,
            )
            self._starting = None
            if not task.done():
                self._running[execution.cell] = task, execution
    else:

        def _start(self, execution: Execution) -> None:
            if not self._cells.start(execution.cell):
                return
            kind = self._kinds.of(execution)
            task = asyncio.Task(
                self._run(execution, kind), loop=self._loop, name=execution.id, context=kind.context.copy()
            )
            self._running[execution.cell] = task, execution
            self._unborn.append(task)

    def _settle_unborn(self) -> None:
        """Ends what was cancelled before its first step, in which case not a line of `_run` has run."""
        tasks, self._unborn = self._unborn, []
        gone = {task for task in tasks if task.cancelled()}
        if not gone:
            return
        # One that cancelled itself in its last step is cancelled as well, and has ended as it should.
        for cell in [cell for cell, (task, _) in self._running.items() if task in gone]:
            if cell in self._cancel_asked:
                self._finish(cell, cancelled(self._cancel_asked[cell]))
            else:
                self._finish(cell, (Ending.FAILED, encode_error(asyncio.CancelledError()), None))

    async def _run(self, execution: Execution, kind: Kind) -> None:
        if binding.active:
            binding.execution_id.set(execution.id)
        times = kind.times
        began_s = None if times is None else times.begin(execution.due_s)
        try:
            result = await execute(
                execution, kind.definition, self._payload_bytes_max, self._cancel_asked, self._threads
            )
        except BaseException as error:
            # A GeneratorExit out of a task that user code awaits: asyncio throws it into this coroutine, which closes
            # `execute` in the middle and drops what that returns.
            result = Ending.FAILED, encode_error(error), None
        if times is not None and began_s is not None:
            times.end(began_s)
        self._finish(execution.cell, result)

    def _finish(self, cell: int, result: Result) -> None:
        if self._running.pop(cell, None) is not None and self._slots.lenders:
            self._slots.ended(cell)
        if self._cancel_asked:
            self._cancel_asked.pop(cell, None)
        if result is COMPLETED_NONE:
            self._done.append(cell)
        else:
            outcome = Outcome(cell, *result)
            self._outcomes.append(outcome)
            self._outcome_bytes += _size(outcome)
        if not self._turn_is_due:
            self._ask_for_turn()

    def _flush(self) -> None:
        outcomes, done = self._outcomes, self._done
        if not outcomes and not done:
            return
        batches = [outcomes] if self._outcome_bytes <= BATCH_BYTES else cut(outcomes, _size)
        now = time.monotonic()
        spent_s, self._spent_from = now - self._spent_from, now
        self._outcomes, self._outcome_bytes, self._done = [], 0, []
        timings = self._stopwatch.take()
        for batch in batches:
            self._send(Outcomes(batch, done, spent_s, timings))
            done, spent_s, timings = [], 0.0, []

    def _cancel(self, cells: set[int], ending: Ending) -> None:
        for execution in self._take_unstarted(cells):
            self._finish(execution.cell, cancelled(ending))
        for cell in cells & self._running.keys():
            # Whoever asked for its end by name is not overruled by a drain.
            if self._cancel_asked.get(cell) is not Ending.CANCELLED:
                self._cancel_asked[cell] = ending
            self._running[cell][0].cancel()

    def _take_unstarted(self, cells: set[int]) -> list[Execution]:
        """Takes those in `cells` out of the backlog and returns them."""
        taken = [execution for execution in self._backlog if execution.cell in cells]
        if taken:
            self._backlog = deque(execution for execution in self._backlog if execution.cell not in cells)
        return taken


def _size(outcome: Outcome) -> int:
    return len(outcome.body or b"")
