"""What Linux says of a process in /proc."""

import os
from pathlib import Path
from typing import NamedTuple

_TICKS_PER_S, _PAGE_BYTES = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")


class Stat(NamedTuple):
    """Of /proc/PID/stat what we need. `state`: a letter, see proc(5). `memory_bytes`: what is resident."""

    state: str
    parent: int
    session: int
    cpu_s: float
    memory_bytes: int


def stat(pid: int) -> Stat | None:
    """Returns what a process does and whose it is; None when it is gone, or no descriptor is left to look with."""
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    # The name in parentheses may hold anything, also spaces and parentheses.
    fields = text.rpartition(b")")[2].split()
    cpu_s = (int(fields[11]) + int(fields[12])) / _TICKS_PER_S
    return Stat(fields[0].decode(), int(fields[1]), int(fields[3]), cpu_s, int(fields[21]) * _PAGE_BYTES)


def resident_bytes(pid: int) -> int:
    """Returns the resident memory of a process; 0 when it is gone."""
    process = stat(pid)
    return 0 if process is None else process.memory_bytes
