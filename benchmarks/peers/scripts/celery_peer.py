"""Celery: see ../systems/celery.py for the settings and why."""

import asyncio
import os
import sys
import time

from celery import Celery, signals
from peer_notes import notes, pace

app = Celery("peers", broker=os.environ["PEER_URL"])
app.conf.update(
    task_ignore_result=True,
    worker_prefetch_multiplier=128,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    broker_connection_retry_on_startup=True,
)
# A pool's process ends without Python's own end.
signals.worker_process_shutdown.connect(lambda **_: notes.end(), weak=False)


@app.task(name="noop")
def noop() -> None:
    notes.noop()


@app.task(name="stamp")
def stamp(at: float) -> None:
    notes.stamp(at)


@app.task(name="hold")
def hold() -> None:
    if notes.hold():
        time.sleep(3600)


def send(count: int) -> None:
    with app.producer_or_acquire() as producer:
        for _ in range(count):
            noop.apply_async(producer=producer)


async def send_at_pace(rate: float, seconds: float) -> None:
    async for intended_s in pace(rate, seconds):
        stamp.delay(intended_s)


def main(command: str, *rest: str) -> None:
    if command == "work":
        app.worker_main(["worker", f"--concurrency={os.environ['PEER_PROCESSES']}", "--loglevel=WARNING"])
    elif command in ("many", "single"):
        send(1)
        began_s = time.perf_counter()
        send(int(rest[0]) - 1)
        print(time.perf_counter() - began_s)
    elif command == "pace":
        asyncio.run(send_at_pace(float(rest[0]), float(rest[1])))
    elif command == "hold":
        hold.delay()


if __name__ == "__main__":
    main(*sys.argv[1:])
