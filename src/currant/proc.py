"""What Linux says of a process. None wherever it says nothing: the process is gone, or is not ours to see."""

import os
import time
from typing import NamedTuple

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
#: CPUCLOCK_SCHED: what all threads of a process have run for, those that have ended included.
_CPU_CLOCK = 2


class Stat(NamedTuple):
    """Of /proc/PID/stat what we need. `state`: a letter, see proc(5)."""

    state: str
    parent: int
    session: int
    #: CPU seconds of the children that have ended and were waited for, and of theirs.
    reaped_cpu_s: float
    #: Since the machine's start, by CLOCK_BOOTTIME.
    started_s: float


def stat(pid: int) -> Stat | None:
    """Returns what a process does and whose it is; None when it is gone, or no descriptor is left to look with."""
    if (text := _read(f"/proc/{pid}/stat")) is None:
        return None
    # The name in parentheses may hold anything, also spaces and parentheses. What follows is the third field.
    fields = text.rpartition(b")")[2].split()
    return Stat(
        state=fields[0].decode(),
        parent=int(fields[1]),
        session=int(fields[3]),
        reaped_cpu_s=(int(fields[13]) + int(fields[14])) / _TICKS_PER_S,
        started_s=int(fields[19]) / _TICKS_PER_S,
    )


def name(pid: int) -> str | None:
    """Returns the name of the process, as it chose it."""
    text = _read(f"/proc/{pid}/comm")
    return None if text is None else text.decode(errors="replace").rstrip("\n")


def children(pid: int) -> list[int]:
    """Returns the processes that have this parent; it looks at all of the machine's, some milliseconds."""
    return [each for each in _pids() if (found := stat(each)) and found.parent == pid]


def cpu_s(pid: int) -> float | None:
    """Returns the CPU seconds of a process up to now, exactly; its children are not counted."""
    try:
        # What clock_getcpuclockid(3) returns: the same for every user, in nanoseconds, where /proc has hundredths.
        return time.clock_gettime(~pid << 3 | _CPU_CLOCK)
    except OSError:
        return None


def resident_bytes(pid: int) -> int | None:
    """Returns the memory that a process has now; what it shares with others counts in each."""
    text = _read(f"/proc/{pid}/statm")
    return int(text.split()[1]) * _PAGE_BYTES if text else None


def peak_bytes(pid: int) -> int | None:
    """Returns the most memory that a process has had since its start."""
    for line in (_read(f"/proc/{pid}/status") or b"").splitlines():
        if line.startswith(b"VmHWM:"):
            return int(line.split()[1]) << 10
    return None


def wakeups(pid: int) -> int | None:
    """Returns how often the threads that a process has now have gone to sleep by themselves, and so were woken."""
    total = 0
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return None
    for thread in threads:
        for line in (_read(f"/proc/{pid}/task/{thread}/status") or b"").splitlines():
            if line.startswith(b"voluntary_ctxt_switches:"):
                total += int(line.split()[1])
    return total


def _read(file: str) -> bytes | None:
    try:
        fd = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        # All of ours are short, and the kernel gives them whole.
        return os.read(fd, 8192)
    except OSError:
        return None  # it ended in between
    finally:
        os.close(fd)


def _pids() -> list[int]:
    try:
        return [int(each) for each in os.listdir("/proc") if each.isdecimal()]
    except OSError:
        return []
