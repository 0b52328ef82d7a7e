"""Coroutines that go on long after their timeout: they swallowed its cancellation, and nothing here can end them."""

import asyncio
from collections.abc import Callable, Mapping

from currant.executions import Execution


class Overdue:
    """Looks once a second at what runs, so that an execution costs nothing for it; it may tell a second late."""

    def __init__(self, grace_s: float, overrun: Callable[[int], None], clock: Callable[[], float]) -> None:
        """
        Args:
            grace_s: how long after its timeout an execution may clean up.
            overrun: told of the cell of one that takes longer.
        """
        self._grace_s, self._overrun, self._clock = grace_s, overrun, clock
        #: When each is overdue, counted from the first look at it: never too early. inf: it has been told of.
        self._due: dict[int, tuple[Execution, float]] = {}

    def look(self, running: Mapping[int, tuple[asyncio.Task[None], Execution]]) -> None:
        """Tells of those that are overdue, each once. `running`: what runs, by cell."""
        now, before = self._clock(), self._due
        due: dict[int, tuple[Execution, float]] = {}
        for cell, (_, execution) in running.items():
            if execution.timeout_s is None:
                continue
            known, due_at = before.get(cell, (None, 0.0))
            if known is not execution:
                due_at = now + execution.timeout_s + self._grace_s
            elif now >= due_at:
                self._overrun(cell)
                due_at = float("inf")
            due[cell] = execution, due_at
        self._due = due
