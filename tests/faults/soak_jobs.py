"""The jobs of the soak test. Each result is the lease of the run that gave it: the test can tell whose it is."""

import asyncio
import time

from jobs import note  # type: ignore[import-not-found]

from currant import current_execution, enqueue_many, job

RETRIES = 12


@job(queue="test", retries=RETRIES)
async def quick() -> int:
    note("start")
    return current_execution().lease


@job(queue="test", retries=RETRIES)
async def sleeps(seconds: float) -> int:
    note("start")
    await asyncio.sleep(seconds)
    note("end")
    return current_execution().lease


@job(queue="test", retries=RETRIES)
def in_a_thread(seconds: float) -> int:
    note("start")
    time.sleep(seconds)
    note("end")
    return current_execution().lease


@job(queue="test", retries=RETRIES)
async def blocks(seconds: float) -> int:
    """Holds up the event loop of its child."""
    note("start")
    time.sleep(seconds)
    note("end")
    return current_execution().lease


@job(queue="test", retries=RETRIES)
async def fails_until(attempt: int) -> int:
    note("start")
    if current_execution().attempt < attempt:
        raise RuntimeError("not yet")
    return current_execution().lease


@job(queue="test", retries=1)
async def fails() -> None:
    note("start")
    raise ValueError("each time")


@job(queue="test", retries=RETRIES)
async def fans_out(count: int) -> int:
    note("start")
    for handle in await enqueue_many(quick.call() for _ in range(count)):
        note("enqueued", handle.id)
    return current_execution().lease


@job(queue="test", retries=RETRIES)
async def keyed(key: str) -> int:
    note("start")
    handle = await sleeps.options(unique=key).queue(0.05)
    note("enqueued", handle.id)
    return current_execution().lease
