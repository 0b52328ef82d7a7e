"""The memory that a supervisor shares with a child: which of the executions it holds have been started.

A byte for each cell, set before user code runs, so that the supervisor can tell started from unstarted after the
child's death, when nothing can be asked any more.
"""

import mmap
import os
from collections.abc import Iterable

#: The most executions that a child may hold at a time, started or not.
CELLS_MAX = 8192


class Cells:
    """One side's view; the memory lives until both sides have closed it."""

    def __init__(self, fd: int) -> None:
        """Takes a descriptor from `create`; it may be closed afterwards."""
        self._memory = mmap.mmap(fd, CELLS_MAX)

    def mark_started(self, cell: int) -> None:
        self._memory[cell] = 1

    def is_started(self, cell: int) -> bool:
        return self._memory[cell] != 0

    def any_started(self) -> bool:
        """Whether any of those that were handed out last has been started."""
        return self._memory.find(b"\1", 0) >= 0

    def clear(self, cells: Iterable[int]) -> None:
        """For the supervisor, before it hands out the cells."""
        memory = self._memory
        for cell in cells:
            memory[cell] = 0

    def close(self) -> None:
        self._memory.close()


def create() -> int:
    """Returns the descriptor of new memory, all cells clear."""
    fd = os.memfd_create("currant-cells", os.MFD_CLOEXEC)
    os.ftruncate(fd, CELLS_MAX)
    return fd
