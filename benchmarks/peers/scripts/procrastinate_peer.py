"""Procrastinate: see ../systems/procrastinate.py for the settings and why."""

import asyncio
import os
import sys
import time

import uvloop
from peer_notes import notes, pace
from procrastinate import App, PsycopgConnector

BATCH = 10_000
CONCURRENCY = 30
app = App(connector=PsycopgConnector(conninfo=os.environ["PEER_URL"], min_size=1, max_size=CONCURRENCY + 2))


@app.task(name="noop")
async def noop() -> None:
    notes.noop()


@app.task(name="stamp")
async def stamp(at: float) -> None:
    notes.stamp(at)


@app.task(name="hold")
async def hold() -> None:
    if notes.hold():
        await asyncio.sleep(3600)


@app.periodic(cron="* * * * *")
@app.task(queueing_lock="retry_stalled_jobs", pass_context=True)
async def retry_stalled_jobs(context: object, timestamp: int) -> None:
    for job in await app.job_manager.get_stalled_jobs():
        await app.job_manager.retry_job(job)


async def main(command: str, *rest: str) -> None:
    async with app.open_async():
        if command == "prepare":
            await app.schema_manager.apply_schema_async()
        elif command == "work":
            await app.run_worker_async(concurrency=CONCURRENCY)
        elif command == "many":
            jobs, began_s = int(rest[0]), time.perf_counter()
            for begin in range(0, jobs, BATCH):
                await noop.batch_defer_async(*[{}] * min(BATCH, jobs - begin))
            print(time.perf_counter() - began_s)
        elif command == "single":
            await noop.defer_async()
            began_s = time.perf_counter()
            for _ in range(int(rest[0]) - 1):
                await noop.defer_async()
            print(time.perf_counter() - began_s)
        elif command == "pace":
            async for intended_s in pace(float(rest[0]), float(rest[1])):
                await stamp.defer_async(at=intended_s)
        elif command == "hold":
            await hold.defer_async()


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
