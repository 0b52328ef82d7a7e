"""The jobs that the process tests run. Each run is written to a ledger: a line at its start, a line at its end."""

import asyncio
import contextlib
import os
import signal
import threading
import time
from typing import Any

from currant import Discard, Retry, Snooze, current_execution, job


def note(what: str, id: str | None = None) -> None:
    """Appends one line, in one write, to the file that the test named: about this execution, or another one."""
    execution = current_execution()
    line = f"{what} {id or execution.id} {execution.lease} {execution.attempt} {os.getpid()} {time.time():.6f}\n"
    fd = os.open(os.environ["TEST_LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, line.encode())
    os.close(fd)


@job(queue="test")
async def echo(value: Any = None) -> Any:
    note("start")
    return value


@job(queue="test")
async def sleeper(seconds: float) -> None:
    note("start")
    await asyncio.sleep(seconds)
    note("end")


@job(queue="test")
async def measured(seconds: float) -> float:
    """Returns how long it took, in seconds."""
    began = time.monotonic()
    await asyncio.sleep(seconds)
    return time.monotonic() - began


@job(queue="test")
async def gated() -> None:
    """Runs until the test opens the gate: what it must find running does run, however slow the machine is."""
    note("start")
    await gate_opened()
    note("end")


async def gate_opened() -> None:
    while not _gate_is_open():  # noqa: ASYNC110 – the one who opens it is another process
        await asyncio.sleep(0.05)


@job(queue="test", retries=2)
async def failing() -> None:
    note("start")
    raise ValueError("this one always fails")


@job(queue="test", retries=3)
async def flaky(good_at: int) -> int:
    note("start")
    if current_execution().attempt < good_at:
        raise RuntimeError("not yet")
    return current_execution().attempt


@job(queue="test", retries=0, timeout=0.3)
async def endless() -> None:
    note("start")
    try:
        await asyncio.sleep(3600)
    finally:
        note("cancelled")


@job(queue="test", retries=0)
async def killer() -> None:
    note("start")
    await asyncio.sleep(0.05)
    os.kill(os.getpid(), signal.SIGKILL)


@job(queue="test", retries=3)
async def blocking() -> None:
    """Blocks the event loop until the test opens the gate."""
    note("start")
    while not _gate_is_open():
        time.sleep(0.05)
    note("end")


@job(queue="test", retries=0)
async def odd_result() -> Any:
    return object()


@job(queue="test", retries=0)
async def large_result(size: int) -> str:
    return "x" * size


@job(queue="other")
async def elsewhere() -> str:
    return "other"


@job(queue="test")
async def stubborn() -> None:
    note("start")
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)


@job(queue="test", retries=0)
def sync_sleeper(seconds: float) -> str:
    note("start")
    time.sleep(seconds)
    note("end")
    return threading.current_thread().name


@job(queue="test")
def sync_gated() -> None:
    """As `gated`, in a thread."""
    note("start")
    while not _gate_is_open():
        time.sleep(0.05)
    note("end")


@job(queue="test", retries=1, timeout=0.5)
def sync_hanging(hangs_until: int) -> str:
    """Hangs for ever in its first runs."""
    note("start")
    if current_execution().attempt < hangs_until:
        threading.Event().wait()
    return "at last"


@job(queue="test")
async def control(kind: str, after: float | None = None) -> str:
    """Raises what it is asked to, until its third run."""
    note("start")
    if len(_runs_of(current_execution().id)) < 3:
        raise _control(kind, after)
    return "done"


@job(queue="test")
def sync_control(kind: str, after: float | None = None) -> None:
    note("start")
    try:
        raise ValueError("the cause")
    except ValueError as error:
        raise _control(kind, after) from error


def _control(kind: str, after: float | None) -> Exception:
    endings = {"retry": Retry("busy", after=after), "snooze": Snooze(after or 0), "discard": Discard("nothing to do")}
    return endings[kind]


def _gate_is_open() -> bool:
    return os.path.exists(os.environ["TEST_LEDGER"] + ".gate")


def _runs_of(id: str) -> list[str]:
    with open(os.environ["TEST_LEDGER"]) as ledger:
        return [line for line in ledger if f"start {id} " in line]


@job(queue="test")
async def takes_its_time_to_go(seconds: float) -> str:
    """Swallows its cancellation, and finishes all the same."""
    note("start")
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.sleep(3600)
    await asyncio.sleep(seconds)
    return "finished"


@job(queue="test")
def sync_stubborn() -> None:
    note("start")
    threading.Event().wait()
