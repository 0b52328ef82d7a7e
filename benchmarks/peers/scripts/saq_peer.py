"""SAQ: see ../systems/saq.py for the settings and why."""

import asyncio
import os
import sys
import time

import uvloop
from peer_notes import notes, pace
from saq import Queue, Worker

BATCH = 1000


async def noop(context: object) -> None:
    notes.noop()


async def stamp(context: object, *, at: float) -> None:
    notes.stamp(at)


async def hold(context: object) -> None:
    if notes.hold():
        await asyncio.sleep(3600)


async def main(command: str, *rest: str) -> None:
    queue = Queue.from_url(os.environ["PEER_URL"])
    await queue.connect()
    if command == "work":
        await Worker(queue, [noop, stamp, hold], concurrency=100).start()
    elif command == "many":
        jobs, began_s = int(rest[0]), time.perf_counter()
        for begin in range(0, jobs, BATCH):
            await asyncio.gather(*(queue.enqueue("noop") for _ in range(min(BATCH, jobs - begin))))
        print(time.perf_counter() - began_s)
    elif command == "single":
        await queue.enqueue("noop")
        began_s = time.perf_counter()
        for _ in range(int(rest[0]) - 1):
            await queue.enqueue("noop")
        print(time.perf_counter() - began_s)
    elif command == "pace":
        async for intended_s in pace(float(rest[0]), float(rest[1])):
            await queue.enqueue("stamp", at=intended_s)
    elif command == "hold":
        # Its timeout is 10 s by default; heartbeats find a dead one, and a sweep counts as a failure, so retries.
        await queue.enqueue("hold", timeout=0, heartbeat=10, retries=3)
    await queue.disconnect()


uvloop.run(main(*sys.argv[1:]))
