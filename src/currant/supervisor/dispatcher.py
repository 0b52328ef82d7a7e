"""Which child gets what, and moving what waits in vain."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from currant.errors import ProtocolError
from currant.executions import Execution
from currant.protocol.frames import BATCH_BYTES, cut
from currant.protocol.work import Recall, Run, ToChild
from currant.supervisor.ledger import Ledger

LOOK_AFTER_S = 0.05
#: A backlog that has not moved for so long is moved to free slots of other children, ...
MOVE_AFTER_S = 0.1
#: ... and after this long given back to the database, so that another node can take it.
RELEASE_AFTER_S = 0.5


class Child(Protocol):
    """What the dispatcher needs of a child."""

    def send(self, message: ToChild, bytes_max: int | None = None) -> None: ...
    def clear(self, cells: list[int]) -> None: ...
    def is_started(self, cell: int) -> bool: ...


class Dispatcher:
    """Sends executions to children and recalls them."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        child: Callable[[int], Child],
        release: Callable[[list[Execution]], None],
        reject: Callable[[list[Execution]], None],
        frame_bytes_max: int,
        clock: Callable[[], float],
    ) -> None:
        """
        Args:
            child: the child of that id.
            release: takes what no child has room for.
            reject: takes what no frame can hold: a raw row may have any name, of any length.
            frame_bytes_max: what a frame can hold.
        """
        self._ledger = ledger
        self._child = child
        self._release, self._reject = release, reject
        self._frame_bytes_max = frame_bytes_max
        self._clock = clock
        self._waiting = asyncio.Event()

    def dispatch(self, executions: list[Execution]) -> None:
        """Sends the executions to children; what no child has room for any more is released."""
        plan, rest = self._ledger.assign(executions, self._clock())
        self._send(plan)
        if rest:
            self._release(rest)
        self.backlog_came()

    def give(self, child: int, execution: Execution) -> None:
        """Sends an execution to a child of the caller's choice, whether it is closed or not."""
        self._ledger.assign_to(child, execution)
        self._send({child: [execution]})

    def backlog_came(self) -> None:
        """A backlog may have begun: of a child that got more than its slots, or took back slots that it had lent."""
        if self._ledger.backlog:
            self._waiting.set()

    def returned(self, executions: list[Execution]) -> None:
        """Takes what a child gave back: to other children's free slots, or released."""
        plan, rest = self._ledger.assign_to_slots(executions, self._clock())
        self._send(plan)
        if rest:
            self._release(rest)

    async def watch(self) -> None:
        """Moves backlogs that do not move. Sleeps while there is none."""
        forgiven = False
        while True:
            await self._waiting.wait()
            before = self._clock()
            await asyncio.sleep(LOOK_AFTER_S)
            # If we ourselves were stopped, what the children have done is there, unread. But a loop that is always so
            # late must look all the same.
            forgiven = not forgiven and self._clock() - before > LOOK_AFTER_S + MOVE_AFTER_S
            if not forgiven:
                self._look()
            if not self._ledger.backlog:
                self._waiting.clear()

    def recall_all(self) -> None:
        """Asks every child for everything that has not started."""
        for name in self._ledger.children:
            self.recall(name)

    def recall(self, name: int) -> None:
        """Asks a child for everything that has not started."""
        self._recall(name, 1 << 30)

    def _look(self) -> None:
        now = self._clock()
        for name in self._ledger.children:
            stuck_s = self._ledger.stuck(name, now)
            if stuck_s >= RELEASE_AFTER_S:
                self.recall(name)
            elif stuck_s >= MOVE_AFTER_S and (free := self._ledger.free):
                self._recall(name, free)

    def _recall(self, name: int, most: int) -> None:
        child = self._child(name)
        cells = self._ledger.recall(name, child.is_started, most)
        child.send(Recall(cells))

    def _send(self, plan: dict[int, list[Execution]]) -> None:
        """Sends what is planned."""
        for name, executions in plan.items():
            child = self._child(name)
            child.clear([execution.cell for execution in executions])
            try:
                child.send(Run(executions), BATCH_BYTES)
            except ProtocolError:
                # How large each is need not be known before: to ask them costs a drain as much as encoding them.
                self._send_in_pieces(name, executions)

    def _send_in_pieces(self, name: int, executions: list[Execution]) -> None:
        """Sends what is too much for one frame, and rejects what no frame can hold."""
        too_large = [each for each in executions if _bytes_of(each) > self._frame_bytes_max]
        if too_large:
            self._reject(self._ledger.give_back(name, [each.cell for each in too_large]))
            executions = [each for each in executions if _bytes_of(each) <= self._frame_bytes_max]
        for batch in cut(executions, _bytes_of):
            self._child(name).send(Run(batch))


def _bytes_of(execution: Execution) -> int:
    """Returns at least how much of a frame the execution takes."""
    # A character has at most four bytes in UTF-8; the numbers take little.
    texts = len(execution.id) + len(execution.function) + len(execution.queue)
    return len(execution.args or b"") + len(execution.kwargs or b"") + 4 * texts + 100
