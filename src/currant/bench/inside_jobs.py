"""The jobs of `python -m currant.bench.inside`: some enqueue others, which do nothing."""

import asyncio

from currant.bench.jobs import QUEUE
from currant.enqueueing import enqueue
from currant.jobs import enqueue_many, job

#: Of what is enqueued: on a queue that nobody serves, unless the bench asks for that.
INNER = "currant-bench-inner"
#: How many calls of `one_by_one` are under way in each execution.
_AT_ONCE = 100


@job(queue=INNER, name="currant.bench.inner")
async def inner(number: int) -> None:
    """Does nothing, at once."""


@job(queue=QUEUE, name="currant.bench.in_batches", retries=0)
async def in_batches(count: int) -> None:
    """Enqueues so many in one call."""
    await enqueue_many(inner.call(number) for number in range(count))


@job(queue=QUEUE, name="currant.bench.one_by_one", retries=0)
async def one_by_one(count: int) -> None:
    """Enqueues so many in as many calls, some of them at once."""
    numbers = iter(range(count))

    async def in_turn() -> None:
        for number in numbers:
            await inner.queue(number)

    await asyncio.gather(*(in_turn() for _ in range(_AT_ONCE)))


async def start(kind: str, parents: int, count: int) -> None:
    """Enqueues the parents of one kind, from outside."""
    parent = {"in_batches": in_batches, "one_by_one": one_by_one}[kind]
    await enqueue([parent.call(count).execution for _ in range(parents)])
