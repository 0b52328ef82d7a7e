"""Jobs that write what they should not into their child's socket: the frames of lies.py."""

import asyncio
import os
import socket
import stat

from jobs import note  # type: ignore[import-not-found]
from lies import FATAL, TOLERATED, frame, new  # type: ignore[import-not-found]

from currant import job
from currant.executions import Ending, Outcome
from currant.protocol import work


def supervisor() -> socket.socket:
    """Returns this process's end of its socket, found as any code in the process can find it."""
    for fd in map(int, os.listdir("/proc/self/fd")):
        try:
            if fd > 2 and stat.S_ISSOCK(os.fstat(fd).st_mode):
                found = socket.socket(fileno=os.dup(fd))
                found.getpeername()
                if found.family == socket.AF_UNIX and found.type == socket.SOCK_STREAM:
                    return found
        except OSError:
            continue
    raise AssertionError("there is no socket")


@job(queue="test", retries=0)
async def lies() -> str:
    note("start")
    with supervisor() as sock:
        sock.setblocking(True)
        for message in TOLERATED:
            await asyncio.to_thread(sock.sendall, frame(message))
    return "told"


@job(queue="test", retries=0)
async def lies_once(kind: str) -> None:
    note("start")
    with supervisor() as sock:
        await asyncio.to_thread(sock.sendall, frame(FATAL[kind]))
    await asyncio.sleep(3600)


@job(queue="test", retries=0)
async def fails_with(body: str) -> None:
    """Ends everything that its child holds with an error that is none."""
    note("start")
    with supervisor() as sock:
        outcomes = [Outcome(cell, Ending.REJECTED, body.encode("latin-1")) for cell in range(100)]
        await asyncio.to_thread(sock.sendall, frame(work.Outcomes(outcomes)))
    await asyncio.sleep(3600)


@job(queue="test", retries=0)
def floods() -> None:
    """Enqueues some 60 MB at once, past the child's own bounds."""
    note("start")
    rows = [new(args=b'["' + b"x" * 1000 + b'"]')] * 1000
    ids = [[f"job_flood_{number}_{row}" for row in range(len(rows))] for number in range(60)]
    flood = b"".join(frame(work.Enqueue(number, some, rows)) for number, some in enumerate(ids))
    with supervisor() as sock:
        sock.setblocking(True)
        sock.sendall(flood)
