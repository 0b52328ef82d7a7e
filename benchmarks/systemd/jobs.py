"""The jobs of the trial."""

import asyncio
import ctypes
import mmap
import multiprocessing
import os
import socket
import subprocess
import tempfile
from collections.abc import Callable
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from typing import Any

from currant import job


@job(queue="test")
async def version() -> str:
    return "v1"


@job(queue="test")
async def sleeper(seconds: float) -> None:
    await asyncio.sleep(seconds)


def _refused(action: Callable[[], Any]) -> None:
    try:
        action()
    except OSError:
        return
    raise AssertionError


@job(queue="test", retries=0)
def allowed() -> None:
    """Does what docs/systemd.md says that jobs can do, and tries what it says that they cannot."""
    file = Path(os.environ["STATE_DIRECTORY"]) / "file"
    file.write_text("x")
    os.chown(file, -1, os.getgid())
    assert file.stat().st_mode & 0o777 == 0o600
    with tempfile.NamedTemporaryFile():
        pass
    assert subprocess.run(["id", "-un"], capture_output=True, text=True).stdout == "currant\n"  # noqa: S607
    assert multiprocessing.get_context("spawn").Pool(1).map(abs, [-3]) == [3]
    shared = SharedMemory(create=True, size=10)
    shared.close()
    shared.unlink()
    assert ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(lambda number: number + 1)(41) == 42
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close()
    os.sched_setaffinity(0, os.sched_getaffinity(0))
    os.nice(1)
    assert socket.getaddrinfo("localhost", 80)
    assert not {"NOTIFY_SOCKET", "WATCHDOG_USEC", "CURRANT_DATABASE_URL"} & os.environ.keys()

    _refused(lambda: Path("/srv/currant/app/file").write_text("x"))
    _refused(lambda: os.listdir("/root"))
    _refused(lambda: os.setuid(0))
    _refused(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW))
    _refused(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1))
    _refused(lambda: os.stat("/proc/1"))
    assert ctypes.CDLL(None).unshare(0x10000000) == -1
    assert ctypes.CDLL(None).ptrace(0, 0, 0, 0) == -1
