"""Currant: see ../systems/currant.py for the settings and why. The module that currantd imports."""

import asyncio
import time

from peer_notes import notes, pace

from currant import enqueue_many, job


@job(queue="peers", name="peers.noop")
async def noop() -> None:
    pass  # counted in its row


@job(queue="peers", name="peers.stamp")
async def stamp(intended_s: float) -> None:
    notes.stamp(intended_s)


@job(queue="peers", name="peers.hold")
async def hold() -> None:
    if notes.hold():
        await asyncio.sleep(3600)


async def main(command: str, *rest: str) -> None:
    if command == "many":
        await enqueue_many([noop.call()])  # what the first use makes: the connection, the prepared statements
        began_s = time.perf_counter()
        await enqueue_many(noop.call() for _ in range(int(rest[0]) - 1))
        print(time.perf_counter() - began_s)
    elif command == "single":
        await noop.queue()
        began_s = time.perf_counter()
        for _ in range(int(rest[0]) - 1):
            await noop.queue()
        print(time.perf_counter() - began_s)
    elif command == "pace":
        async for intended_s in pace(float(rest[0]), float(rest[1])):
            await stamp.queue(intended_s)
    elif command == "hold":
        await hold.queue()
