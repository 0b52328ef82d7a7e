"""PgQueuer: see ../systems/pgqueuer.py for the settings and why."""

import asyncio
import os
import signal
import sys
import time

import asyncpg
import uvloop
from peer_notes import notes, pace
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgDriver
from pgqueuer.models import Job
from pgqueuer.queries import Queries

BATCH = 10_000


async def work(connection: asyncpg.Connection) -> None:
    worker = PgQueuer(AsyncpgDriver(connection))

    @worker.entrypoint("noop")
    async def noop(job: Job) -> None:
        notes.noop()

    @worker.entrypoint("stamp")
    async def stamp(job: Job) -> None:
        notes.stamp(float(job.payload))

    @worker.entrypoint("hold")
    async def hold(job: Job) -> None:
        if notes.hold():
            await asyncio.sleep(3600)

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.shutdown.set)
    await worker.run(batch_size=int(os.environ.get("PEER_BATCH", "500")))


async def main(command: str, *rest: str) -> None:
    connection = await asyncpg.connect(os.environ["PEER_URL"])
    queries = Queries(AsyncpgDriver(connection))
    if command == "prepare":
        await queries.install()
        await queries.optimize_autovacuum()
    elif command == "work":
        await work(connection)
    elif command == "many":
        jobs, began_s = int(rest[0]), time.perf_counter()
        for begin in range(0, jobs, BATCH):
            rows = min(BATCH, jobs - begin)
            await queries.enqueue(["noop"] * rows, [None] * rows, [0] * rows)
        print(time.perf_counter() - began_s)
    elif command == "single":
        await queries.enqueue("noop", None)
        began_s = time.perf_counter()
        for _ in range(int(rest[0]) - 1):
            await queries.enqueue("noop", None)
        print(time.perf_counter() - began_s)
    elif command == "pace":
        async for intended_s in pace(float(rest[0]), float(rest[1])):
            await queries.enqueue("stamp", str(intended_s).encode())
    elif command == "hold":
        await queries.enqueue("hold", None)


uvloop.run(main(*sys.argv[1:]))
