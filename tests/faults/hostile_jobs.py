"""Jobs that raise, return and enqueue what no job should. Each run is written to the ledger."""

import asyncio
from typing import Any

import jobs  # type: ignore[import-not-found]
from hostile import ARGUMENTS, RAISED, RETURNED  # type: ignore[import-not-found]
from jobs import note

from currant import CurrantError, job


def _recurse(depth: int = 0) -> int:
    return _recurse(depth + 1) + 1


@job(queue="test", retries=0)
async def raises(what: str) -> None:
    note("start")
    if what == "recursion":
        _recurse()
    raise RAISED[what][0]()


@job(queue="test", retries=0)
def sync_raises(what: str) -> None:
    note("start")
    if what == "recursion":
        _recurse()
    raise RAISED[what][0]()


@job(queue="test", retries=0)
async def lets_others_raise(what: str) -> None:
    """Raises in a task of its own, which nobody awaits, and in a callback of the loop."""
    note("start")

    async def raising() -> None:
        raise RAISED[what][0]()

    def call() -> None:
        raise RAISED[what][0]()

    loop = asyncio.get_running_loop()
    task = loop.create_task(raising())
    loop.call_soon(call)
    await asyncio.wait((task,), timeout=1)
    await asyncio.sleep(0.01)
    if not task.done() or not task.cancelled():
        task.exception()


@job(queue="test", retries=0)
async def stops_the_loop() -> None:
    note("start")
    loop = asyncio.get_running_loop()
    loop.stop()
    await asyncio.sleep(0.01)
    loop.close()


@job(queue="test", retries=3)
async def returns(what: str) -> Any:
    note("start")
    return RETURNED[what][0]()


@job(queue="test", retries=3)
async def returns_bytes() -> bytes:
    note("start")
    return bytes(1 << 30)


@job(queue="test", retries=0)
async def enqueues(what: str) -> str:
    """Enqueues what cannot be stored, and returns what it is told."""
    note("start")
    try:
        await jobs.echo.queue(ARGUMENTS[what][0]())
    except CurrantError as error:
        return f"{type(error).__name__}: {error}"
    return "enqueued"


@job(queue="test", retries=0)
async def two(first: int, second: str = "") -> list[Any]:
    note("start")
    return [first, second]


@job(queue="test", retries=0)
def two_sync(first: int) -> int:
    note("start")
    return first


@job(queue="test", retries=0)
async def sized(text: str) -> int:
    note("start")
    return len(text)
