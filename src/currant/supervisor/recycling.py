"""Recycling: children that have run so much, or have grown so large, are replaced, each by one that is ready first."""

import asyncio
from collections.abc import Callable

from currant.proc import resident_bytes
from currant.supervisor.child import Child, Restart, State
from currant.supervisor.children import Children

#: How often the children are looked at.
LOOK_S = 1.0
#: Each child's limits are up to so much above or below the setting, so that those started together end apart.
JITTER = 0.1
MIB = 1 << 20


class Recycler:
    """Retires children past their limits. What they run goes on to its end."""

    def __init__(
        self,
        children: Children,
        *,
        executions_max: int | None,
        memory_bytes_max: int | None,
        finished: Callable[[int], int],
        may_fork: Callable[[], bool],
        random: Callable[[], float],
        memory_of: Callable[[int], int | None] = resident_bytes,
    ) -> None:
        """
        Args:
            executions_max, memory_bytes_max: of one child; None: no limit.
            finished: how many executions this child has finished.
            may_fork: whether one more child may be started now, which is then counted.
            memory_of: returns the resident memory of a process, in bytes; None when it is gone.
        """
        self._children, self._finished, self._may_fork, self._random = children, finished, may_fork, random
        self._executions_max, self._memory_bytes_max = executions_max, memory_bytes_max
        self._memory_of = memory_of
        #: By child, what its limits are multiplied with.
        self._factors: dict[int, float] = {}

    async def run(self) -> None:
        """Looks until it is cancelled; ends at once without a limit."""
        while self._executions_max is not None or self._memory_bytes_max is not None:
            await asyncio.sleep(LOOK_S)
            self.look()

    def look(self) -> None:
        """Retires those that are past a limit."""
        ready = [child for child in self._children if child.state is State.READY and child.retiring is None]
        ids = {child.id for child in ready}
        self._factors = {id: factor for id, factor in self._factors.items() if id in ids}
        for child in ready:
            finished = self._finished(child.id)
            # One that has done nothing yet is what any successor would be.
            if finished and (reason := self._reason(child, finished)) and self._may_fork():
                self._children.retire(child.id, *reason)

    def _reason(self, child: Child, finished: int) -> tuple[str, Restart] | None:
        factor = self._factors.setdefault(child.id, 1 + JITTER * (2 * self._random() - 1))
        if self._executions_max is not None and finished >= self._executions_max * factor:
            return f"{finished:,} executions (CURRANT_MAX_EXECUTIONS_PER_CHILD)", Restart.EXECUTIONS
        if self._memory_bytes_max is not None and child.pid is not None:
            size = self._memory_of(child.pid) or 0
            if size >= self._memory_bytes_max * factor:
                return f"{size / MIB:,.0f} MiB of memory (CURRANT_MAX_MEMORY_PER_CHILD)", Restart.MEMORY
        return None
