"""Right and wrong calls as type checkers see them. Nothing here runs: mypy and pyright read it (`make lint`).

Each wrong call carries an ignore, and both checkers are told to refuse an ignore without an error under it: a call that
is no longer rejected fails the check.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, assert_type

import psycopg

from currant import Call, Discard, Handle, Retry, Snooze, current_execution, enqueue_many, enqueue_many_sync, job
from currant.jobs import AsyncJob, SyncJob


@job
async def add(a: int, b: int = 10) -> int:
    return a + b


@job(queue="emails", retries=5, timeout=timedelta(minutes=1), priority=9, name="mail", keep_completed=0)
async def send(to: str, *, subject: str) -> None: ...


@job
def resize(image: str, width: int) -> bytes:
    return image.encode()[:width]


@job(timeout=2.5)
def hash_of(data: str) -> str:
    return data


# What the decorator makes of a function.

assert_type(add.name, str)
_1: AsyncJob[[str], int] = add  # type: ignore[assignment]
_2: SyncJob[..., bytes] = resize
_3: AsyncJob[..., None] = send
_4: SyncJob[..., str] = hash_of


# Decorating wrongly.


@job(retries="5")  # type: ignore[call-overload, untyped-decorator]
async def wrong_retries() -> None: ...


@job(que="emails")  # type: ignore[call-overload, untyped-decorator]
async def wrong_option() -> None: ...


async def right(connection: psycopg.AsyncConnection[Any]) -> None:
    handle = await add.queue(1, b=2)
    assert_type(handle, Handle[int])
    assert_type(await handle.result(timeout=3), int)
    assert_type(handle.id, str)
    assert_type(handle.first, bool)
    assert_type(await handle.cancel(), bool)
    assert_type(await (await send.queue("ada", subject="Hello")).result(), None)
    assert_type(await (await resize.queue("a.png", 3)).result(), bytes)
    assert_type(await add(1), int)
    assert_type(resize("a.png", 3), bytes)
    assert_type(add.call(1), Call)
    assert_type(await enqueue_many([add.call(1), send.call("ada", subject="Hello")]), list[Handle[Any]])
    assert_type(add.handle("job_1"), Handle[int])
    later = add.options(queue="slow", retries=0, timeout=3, priority=1, delay=timedelta(hours=1), unique="k")
    assert_type(await later.queue(1), Handle[int])
    assert_type(await later(1), int)
    await send.options(run_at=datetime.now(UTC), unique="k", unique_for=60).queue("ada", subject="Hello")
    await send.options(connection=connection).queue("ada", subject="Hello")
    await enqueue_many((add.call(n) for n in range(10)), connection=connection)


def right_sync(connection: psycopg.Connection[Any]) -> None:
    handle = add.queue_sync(1)
    assert_type(handle, Handle[int])
    assert_type(handle.result_sync(timeout=3), int)
    assert_type(handle.cancel_sync(), bool)
    assert_type(enqueue_many_sync([resize.call("a.png", 3)], connection=connection), list[Handle[Any]])
    resize.options(connection=connection).queue_sync("a.png", width=3)
    assert_type(current_execution().id, str)


async def wrong() -> None:
    await add.queue("1")  # type: ignore[arg-type]
    await add.queue()  # type: ignore[call-arg]
    await add.queue(1, 2, 3)  # type: ignore[call-arg]
    await add.queue(1, c=2)  # type: ignore[call-arg]
    await send.queue("ada", "Hello")  # type: ignore[call-arg]
    await send.queue("ada", subject=1)  # type: ignore[arg-type]
    await resize.queue("a.png", "3")  # type: ignore[arg-type]
    add.queue_sync("1")  # type: ignore[arg-type]
    add.call(None)  # type: ignore[arg-type]
    add.options(retries="no")  # type: ignore[arg-type]
    add.options(delay="soon")  # type: ignore[arg-type]
    add.options(run_at=3)  # type: ignore[arg-type]
    add.options(colour="red")  # type: ignore[call-arg]
    await enqueue_many([1, 2])  # type: ignore[list-item]
    await enqueue_many(add.call(1))  # type: ignore[arg-type]
    _: str = await (await add.queue(1)).result()  # type: ignore[assignment]
    resize.queue_sync("a.png", 3).result_sync() + 1  # type: ignore[operator]


def wrong_endings() -> None:
    Retry(after="soon")  # type: ignore[arg-type]
    Snooze()  # type: ignore[call-arg]
    Discard()  # type: ignore[call-arg]
