"""Jobs that fork and spawn. Each run is written to the ledger."""

import asyncio
import multiprocessing
import os
import subprocess
import sys
import time
from typing import Any

import jobs  # type: ignore[import-not-found]
from jobs import note

from currant import CurrantError, job


def _squares(pipe: Any) -> None:
    pipe.send([number * number for number in range(10)])


def _wait(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@job(queue="test", retries=0)
async def forks_and_returns() -> int:
    """The copy goes on as if it were the child; the answer is its exit code."""
    note("start")
    pid = os.fork()
    if pid == 0:
        await asyncio.sleep(0)
        note("copy")
        return -1
    return await asyncio.to_thread(_wait, pid)


@job(queue="test", retries=0)
async def forks_in_a_task() -> int:
    note("start")

    async def fork() -> int:
        return os.fork()

    pid = await asyncio.get_running_loop().create_task(fork())
    if pid == 0:
        note("copy")
    return await asyncio.to_thread(_wait, pid)


@job(queue="test", retries=0)
def sync_forks_and_returns() -> int:
    note("start")
    pid = os.fork()
    return _wait(pid) if pid else -1


@job(queue="test", retries=0)
async def forks_and_exits(code: int) -> int:
    note("start")
    pid = os.fork()
    if pid == 0:
        sys.exit(code)
    return await asyncio.to_thread(_wait, pid)


@job(queue="test", retries=0)
def sync_forks_and_raises() -> int:
    note("start")
    pid = os.fork()
    if pid == 0:
        raise ValueError("in the copy")
    return _wait(pid)


@job(queue="test", retries=0)
def forks_and_enqueues() -> str:
    """Returns what a copy is told that enqueues."""
    note("start")
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            jobs.echo.queue_sync()
            said = "enqueued"
        except CurrantError as error:
            said = f"{type(error).__name__}: {error}"
        os.write(theirs, said.encode())
        os._exit(0)
    os.close(theirs)
    with open(ours, "rb") as pipe:
        said = pipe.read().decode()
    _wait(pid)
    return said


@job(queue="test", retries=0)
def uses_multiprocessing() -> list[int]:
    note("start")
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    worker = context.Process(target=_squares, args=(theirs,))
    worker.start()
    squares = ours.recv()
    worker.join()
    idle = context.Process(target=time.sleep, args=(3600,))
    idle.start()
    idle.terminate()
    idle.join()
    return [*squares, idle.exitcode or 0]


@job(queue="test", retries=0)
def spawns(mark: str, how: str) -> None:
    """Leaves a process behind that sleeps for `mark` seconds."""
    note("start")
    sleep: list[Any] = ["sleep", mark]
    if how == "subprocess":
        subprocess.Popen(sleep)
    elif how == "shell":
        subprocess.run(f"sleep {mark} &", shell=True, check=True)
    elif how == "session":
        subprocess.Popen(sleep, start_new_session=True)
    elif how == "stubborn":
        subprocess.Popen(["sh", "-c", f"trap '' TERM; while true; do sleep {mark}; done"])
    else:
        # A daemon, by the book.
        pid = os.fork()
        if pid == 0:
            os.setsid()
            if os.fork() == 0:
                os.execvp("sleep", sleep)
            os._exit(0)
        os.waitpid(pid, 0)
    note("end")
