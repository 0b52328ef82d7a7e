"""The memory that a supervisor shares with a child: which of the executions it holds have been started.

A byte for each cell, set before user code runs, so that the supervisor can tell started from unstarted after the
child's death, when nothing can be asked any more. A second byte for each cell is the supervisor's: the execution is
recalled. The child looks at it after it set the first one, and drops what is recalled; so work can be moved away from
a child that does not read its socket. Behind them the child says how busy its slots are, so that this can be known at
any moment without a message. And then there is room for the stacks that the child writes when it is asked by a signal
(faulthandler), which needs nothing but a descriptor.
"""

import mmap
import os
import signal
import struct
import zlib
from collections.abc import Iterable
from fcntl import F_ADD_SEALS, F_SEAL_GROW, F_SEAL_SHRINK, fcntl
from typing import NamedTuple

#: The most executions that a child may hold at a time, started or not.
CELLS_MAX = 8192
#: What the stacks of a child may take: faulthandler writes up to 100 frames for each of up to 100 threads.
STACK_BYTES_MAX = 256 << 10
#: Asks a child for its stacks. A real-time signal, which user code hardly ever uses.
STACK_SIGNAL = signal.SIGRTMIN + 10
_MARKS_BYTES = 2 * CELLS_MAX
#: The fields of Busy, and their checksum: what is read while it is written is seen to be none, on any processor.
_BUSY, _CHECKSUM = struct.Struct("<ddd"), struct.Struct("<I")
_STACK_AT = _MARKS_BYTES + _BUSY.size + _CHECKSUM.size
#: How often it is read anew before it counts as unreadable, which a child's own code may make it.
_READS_MAX = 5


class Busy(NamedTuple):
    """How busy a child's slots are: `busy_slot_s` until `at_s`, by time.monotonic, and `active` from then on."""

    busy_slot_s: float
    active: float
    at_s: float


class Cells:
    """One side's view; the memory lives until both sides have closed it."""

    def __init__(self, fd: int) -> None:
        """Takes a descriptor from `create`; it may be closed afterwards."""
        self._memory = mmap.mmap(fd, _STACK_AT)
        try:
            self._fd = os.dup(fd)
        except OSError:
            self._memory.close()
            raise

    def fileno(self) -> int:
        """Where the stacks are written to. Its position is one for both sides: the supervisor sets it."""
        return self._fd

    def start(self, cell: int) -> bool:
        """For the child: marks the execution as started; returns False when it is recalled, and must not run."""
        memory = self._memory
        memory[cell] = 1
        return not memory[CELLS_MAX + cell]

    def is_started(self, cell: int) -> bool:
        return self._memory[cell] != 0

    def any_started(self) -> bool:
        """Whether any of those that were handed out last has been started."""
        return self._memory.find(b"\1", 0, CELLS_MAX) >= 0

    def recall(self, cells: Iterable[int]) -> None:
        """For the supervisor, of cells that are not started, while the child is held."""
        memory = self._memory
        for cell in cells:
            memory[CELLS_MAX + cell] = 1

    def clear(self, cells: Iterable[int]) -> None:
        """For the supervisor, before it hands out the cells."""
        memory = self._memory
        for cell in cells:
            memory[cell] = 0

    def clear_recalled(self, cells: Iterable[int]) -> None:
        """For the supervisor, when the child is known to have dropped what was recalled."""
        memory = self._memory
        for cell in cells:
            memory[CELLS_MAX + cell] = 0

    def write_busy(self, busy_slot_s: float, active: float, at_s: float) -> None:
        """For the child: the fields of Busy."""
        body = _BUSY.pack(busy_slot_s, active, at_s)
        self._memory[_MARKS_BYTES:_STACK_AT] = body + _CHECKSUM.pack(zlib.crc32(body))

    def read_busy(self) -> Busy | None:
        """For the supervisor. Returns what the child wrote last; None when it wrote nothing, or nothing of ours.

        The numbers may be any: user code can write here.
        """
        for _ in range(_READS_MAX):
            record = self._memory[_MARKS_BYTES:_STACK_AT]
            body = record[: _BUSY.size]
            if _CHECKSUM.pack(zlib.crc32(body)) == record[_BUSY.size :]:
                return Busy(*_BUSY.unpack(body))
        return None

    def rewind_stack(self) -> None:
        """For the supervisor, before it asks for the stacks."""
        os.lseek(self._fd, _STACK_AT, os.SEEK_SET)

    def stack(self) -> bytes:
        """Returns what has been written of the stacks since `rewind_stack`."""
        size = os.lseek(self._fd, 0, os.SEEK_CUR) - _STACK_AT
        # The position is shared with user code: it may be anywhere.
        return os.pread(self._fd, min(max(size, 0), STACK_BYTES_MAX), _STACK_AT)

    def close(self) -> None:
        self._memory.close()
        os.close(self._fd)
        # Its number may soon mean another file.
        self._fd = -1


def create() -> int:
    """Returns the descriptor of new memory, all cells clear."""
    fd = os.memfd_create("currant-cells", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(fd, _STACK_AT + STACK_BYTES_MAX)
        # A child that shrank it would end the supervisor at its next look (SIGBUS).
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW)
    except OSError:
        os.close(fd)
        raise
    return fd
