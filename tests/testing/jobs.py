"""The jobs that the tests of the inline mode and of the test database enqueue. Each run leaves a line in `log`."""

import asyncio
import threading
from contextvars import ContextVar
from typing import Any

import pytest

from currant import Discard, Retry, Snooze, current_execution, job

log: list[Any] = []
#: Set by tests: what they hold, a job is not to see.
held: ContextVar[str] = ContextVar("held", default="nothing")


@job
async def echo(value: Any = None) -> Any:
    log.append(value)
    return value


@job
async def double(number: int) -> int:
    return 2 * number


@job(retries=2)
async def flaky(good_at: int) -> int:
    attempt = current_execution().attempt
    log.append(attempt)
    if attempt < good_at:
        raise RuntimeError(f"attempt {attempt}")
    return attempt


@job(retries=2)
async def again() -> None:
    log.append("again")
    raise Retry("not yet", after=3600)


@job
async def snoozing(until: int) -> str:
    log.append("snoozing")
    if len(log) < until:
        raise Snooze(3600)
    return "awake"


@job
async def discarded() -> None:
    raise Discard("nothing to do")


@job
async def parent(value: str) -> str:
    log.append("parent begins")
    handle = await echo.queue(value)
    log.append("parent goes on")
    return str(await handle.result())


@job
def sync_parent(value: str) -> str:
    log.append(threading.current_thread())
    return str(sync_child.queue_sync(value).result_sync())


@job
def sync_child(value: str) -> str:
    log.append(threading.current_thread())
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return value
    raise AssertionError("a synchronous function runs outside of any event loop")


@job(retries=0)
async def careless_parent() -> str:
    await flaky.queue(99)
    await flaky.queue(98)
    return "went on"


@job
async def blocks_the_loop() -> None:
    echo.queue_sync(1)


@job
async def endless() -> None:
    await endless.queue()


@job(keep_completed=0)
async def unkept() -> int:
    return 1


@job(retries=5)
def interrupted() -> None:
    log.append("interrupted")
    raise KeyboardInterrupt


@job(retries=5)
async def gathers_an_interrupt() -> None:
    await asyncio.gather(interrupted.queue(), double.queue(1))


@job(retries=5)
async def failing_the_test() -> None:
    log.append("failing")
    pytest.fail("this ends the test")


@job(retries=0, timeout=0.02)
def slow() -> None:
    threading.Event().wait(0.1)


_waits: list[asyncio.Event] = []


@job
async def waiting() -> str:
    _waits[0].set()
    await asyncio.sleep(3600)
    return "never"


async def waits_now() -> None:
    """Returns when `waiting` runs, which begins after this call."""
    _waits[:] = [asyncio.Event()]
    await _waits[0].wait()


@job
async def cancels_itself() -> None:
    await cancels_itself.handle(current_execution().id).cancel()
    await asyncio.sleep(3600)


@job
async def sees() -> str:
    return held.get()


@job
async def loop_of() -> int:
    return id(asyncio.get_running_loop())
