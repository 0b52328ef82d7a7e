"""Jobs that enqueue, cancel and wait for others."""

import asyncio
import contextlib
import os
import socket
import stat
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from jobs import gate_opened, gated, note  # type: ignore[import-not-found]

from currant import enqueue_many, enqueue_many_sync, job
from currant.errors import CurrantError, DatabaseError, ExecutionFailed, PayloadTooLarge
from currant.handles import Handle
from currant.jobs import Call


@job(queue="test", name="inside.echo")
async def echo(value: Any = None) -> Any:
    note("start")
    return value


@job(queue="test", retries=0, name="inside.failing")
async def failing() -> None:
    raise ValueError("it fails")


@job(queue="test", name="inside.sleeper")
async def sleeper(seconds: float) -> None:
    note("start")
    await asyncio.sleep(seconds)


@job(queue="test", name="inside.large")
async def large(size: int) -> str:
    return "x" * (size - 2)


@job(queue="test", name="inside.fan_out")
async def fan_out(count: int) -> list[str]:
    note("start")
    if count == 1:
        return [(await echo.queue(0)).id]

    def calls() -> Iterator[Call]:
        for number in range(count):
            yield echo.call(number)

    return [handle.id for handle in await enqueue_many(calls())]


@job(queue="test", name="inside.one_by_one")
async def one_by_one(count: int) -> list[tuple[str, int]]:
    async def one(number: int) -> tuple[str, int]:
        return (await echo.queue(number)).id, number

    return await asyncio.gather(*map(one, range(count)))


@job(queue="test", name="inside.with_keys")
async def with_keys() -> list[tuple[str, bool]]:
    keyed = sleeper.options(unique="one", delay=60)
    first, second, other = await enqueue_many(
        [keyed.call(0), keyed.call(0), sleeper.options(unique="two", delay=60).call(0)]
    )
    again = await keyed.queue(0)
    assert (again.id, again.first) == (first.id, False)
    return [(each.id, each.first) for each in (first, second, other)]


@job(queue="test", name="inside.with_key")
async def with_key(key: str) -> tuple[str, bool]:
    handle = await echo.options(unique=key).queue()
    return handle.id, handle.first


@job(queue="test", name="inside.enqueues_late")
async def enqueues_late() -> list[str]:
    note("start")
    await gate_opened()
    kept, cancelled = await echo.queue(), await echo.queue()
    assert await cancelled.cancel()
    return [kept.id, cancelled.id]


@job(queue="test", name="inside.later")
async def later(seconds: float) -> list[str]:
    moment = datetime.now(UTC) + timedelta(seconds=seconds)
    handles = [await echo.options(delay=seconds).queue(), await echo.options(run_at=moment).queue()]
    return [handle.id for handle in handles]


@job(queue="test", name="inside.too_large")
async def too_large() -> tuple[str, str]:
    try:
        await enqueue_many([*(echo.call(number) for number in range(3000)), echo.call("x" * (2 << 20))])
    except PayloadTooLarge as error:
        return type(error).__name__, str(error)
    raise AssertionError("it was stored")


@job(queue="test", name="inside.beside_poison")
async def beside_poison(count: int) -> list[str]:
    async def one(number: int) -> str:
        try:
            return (await echo.queue("poison" if number == count // 2 else number)).id
        except DatabaseError as error:
            return type(error).__name__

    return await asyncio.gather(*map(one, range(count)))


@job(queue="test", name="inside.cancel_some")
async def cancel_some() -> list[bool]:
    waiting = await echo.options(delay=60).queue()
    done = await echo.queue()
    await done.result(20)
    first = await waiting.cancel()
    return [first, await waiting.cancel(), await done.cancel(), await Handle[None]("no such execution\0").cancel()]


@job(queue="test", name="inside.cancel_these")
async def cancel_these(ids: list[str]) -> list[bool]:
    return await asyncio.gather(*(Handle[None](id).cancel() for id in ids))


@job(queue="test", name="inside.await_each")
async def await_each() -> list[Any]:
    good, bad = await echo.queue({"of": [1, "two"]}), await failing.queue()
    waiting = await echo.options(delay=60).queue()
    await waiting.cancel()
    found: list[Any] = [await good.result()]
    try:
        await bad.result()
    except ExecutionFailed as error:
        found.append([type(error).__name__, error.type, error.message])
    for handle, timeout in ((waiting, None), (Handle("job_0"), None), (await echo.options(delay=60).queue(), 0.2)):
        try:
            await handle.result(timeout)
        except (CurrantError, TimeoutError) as error:
            found.append(type(error).__name__)
    return found


@job(queue="test", name="inside.large_results")
async def large_results(count: int, size: int) -> int:
    handles = [await large.queue(size) for _ in range(count)]
    return sum([len(text) + 2 for text in await asyncio.gather(*(handle.result() for handle in handles))])


@job(queue="test", name="inside.in_thread")
async def in_thread() -> list[Any]:
    def work() -> list[Any]:
        handle = echo.queue_sync(41)
        result = handle.result_sync(30)
        waiting = echo.options(delay=60).queue_sync()
        return [result, waiting.cancel_sync(), len(enqueue_many_sync([echo.call(each) for each in range(3)]))]

    return await asyncio.to_thread(work)


@job(queue="test", name="inside.sync_parent")
def sync_parent(depth: int) -> Any:
    note("start")
    if not depth:
        return 1
    handles = enqueue_many_sync([sync_parent.call(depth - 1), tree.call(depth - 1)])
    return 1 + sum(handle.result_sync() for handle in handles)


@job(queue="test", name="inside.sync_on_the_loop")
async def sync_on_the_loop() -> tuple[str, str]:
    try:
        echo.queue_sync(1)
    except CurrantError as error:
        return type(error).__name__, str(error)
    raise AssertionError("it did not raise")


@job(queue="test", name="inside.own_loop")
async def own_loop() -> Any:
    async def work() -> Any:
        return await (await echo.queue(7)).result(30)

    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(asyncio.run(work())))
    thread.start()
    await asyncio.to_thread(thread.join)
    return results[0]


@job(queue="test", name="inside.parent")
async def parent(value: int) -> Any:
    note("start")
    return await (await echo.queue(value)).result()


@job(queue="test", name="inside.waits_for_long")
async def waits_for_long(seconds: float) -> None:
    note("start")
    await (await sleeper.queue(seconds)).result()


@job(queue="test", name="inside.waits_for_gated")
async def waits_for_gated() -> None:
    note("start")
    await (await gated.queue()).result()


@job(queue="test", name="inside.waits_at_once")
async def waits_at_once(id: str) -> Any:
    """Waits in its very first step."""
    return await echo.handle(id).result()


@job(queue="test", name="inside.waits_for_later")
async def waits_for_later() -> None:
    await (await echo.options(delay=3600).queue()).result()


@job(queue="test", name="inside.tree")
async def tree(depth: int) -> Any:
    note("start")
    if not depth:
        return 1
    handles = await enqueue_many([tree.call(depth - 1), tree.call(depth - 1)])
    return 1 + sum(await asyncio.gather(*(handle.result() for handle in handles)))


@job(queue="test", name="inside.mixed_waits")
async def mixed_waits() -> None:
    first, second = await echo.queue(1), await echo.queue(2)
    never = await echo.options(delay=0.5).queue()
    with contextlib.suppress(TimeoutError):
        await never.result(0.05)
    background = asyncio.create_task(never.result())
    await asyncio.gather(first.result(), first.result(), second.result())
    await asyncio.sleep(0.01)
    background.cancel()
    await first.result()
    # One that is left behind: the execution ends while it waits.
    _left.append(asyncio.create_task(never.result()))
    await asyncio.sleep(0)


_left: list[asyncio.Task[Any]] = []


@job(queue="test", name="inside.busy")
async def busy(seconds: float) -> None:
    note("busy")
    await asyncio.sleep(seconds)
    note("idle")


@job(queue="test", name="inside.steadily")
async def steadily(count: int) -> int:
    note("start")
    done = 0
    for number in range(count):
        handle = await (echo.options(unique=str(number)) if number % 2 else echo).queue(number)
        assert handle.first, "an enqueue was repeated"
        await asyncio.sleep(0.02)
        done += await handle.result() == number
    return done


@job(queue="test", name="inside.nonsense")
async def nonsense() -> None:
    for name in os.listdir("/proc/self/fd"):
        fd = int(name)
        with contextlib.suppress(OSError):
            if fd > 2 and stat.S_ISSOCK(os.fstat(fd).st_mode):
                with socket.socket(fileno=os.dup(fd)) as sock:
                    if sock.family == socket.AF_UNIX and sock.type == socket.SOCK_STREAM:
                        os.write(fd, b"\0\0\0\x05AAAAA")
    await asyncio.sleep(3600)
