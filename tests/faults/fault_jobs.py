"""Jobs that end their process. Each run is written to the ledger, as in tests/process/jobs.py."""

import asyncio
import contextlib
import ctypes
import os
import signal
import stat
import subprocess

from jobs import note  # type: ignore[import-not-found]

from currant import current_execution, job


@job(queue="test", retries=0)
async def eats_memory() -> None:
    note("start")
    held = []
    while True:
        held.append(b"x" * (8 << 20))


@job(queue="test", retries=0)
async def ends_its_child(how: str, times: int) -> None:
    """Ends the process it runs in, in so many of its runs."""
    note("start")
    if current_execution().attempt > times:
        return
    if how == "segfault":
        ctypes.string_at(0)
    elif how == "exit":
        os._exit(7)
    else:
        # As the kernel does when memory is short.
        os.kill(os.getpid(), signal.SIGKILL)


@job(queue="test", retries=0)
async def misuses_sockets(how: str) -> None:
    """Closes what it did not open, or writes to it."""
    note("start")
    if how == "close":
        os.closerange(3, 4096)
        return
    for fd in map(int, os.listdir("/proc/self/fd")):
        with contextlib.suppress(OSError):
            if stat.S_ISSOCK(os.fstat(fd).st_mode):
                # A length beyond every limit, or a frame of nonsense.
                os.write(fd, b"\xff" * 64 if how == "length" else b"\x00\x00\x00\x04\xc1\xc1\xc1\xc1" * 8)


@job(queue="test", retries=0)
def has_children(how: str) -> int:
    """Forks or spawns, and does not wait for what it made."""
    note("start")
    if how == "spawn":
        return subprocess.Popen(["true"]).pid
    if (pid := os.fork()) == 0:
        os._exit(3)
    return pid


_leak: list[bytes] = []


@job(queue="test", retries=0)
async def leaks(mib: int) -> None:
    """Takes its time, and keeps so much memory for ever."""
    note("start")
    _leak.append(os.urandom(mib << 20))
    await asyncio.sleep(0.05)
