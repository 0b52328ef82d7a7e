"""Jobs with hooks and middleware. What these do is written to the file `hooks`; a file beside it has one misbehave."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import currant
from currant import CurrentExecution, current_execution, job

FOLDER = Path(os.environ["TEST_LEDGER"]).parent

pool: list[int] = []
tenant: ContextVar[str] = ContextVar("tenant", default="nobody")
span: ContextVar[str] = ContextVar("span", default="none")


def tell(what: str) -> None:
    """Appends one line, in one write."""
    fd = os.open(FOLDER / "hooks", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, f"{what} {os.getpid()}\n".encode())
    os.close(fd)


def is_there(name: str) -> bool:
    return (FOLDER / name).exists()


@currant.on_child_start
async def open_pool() -> None:
    await asyncio.sleep(0.01)
    pool.append(os.getpid())
    tell("open_pool")


@currant.on_child_start
def load_model() -> None:
    tell("load_model")
    tenant.set("ada")
    if is_there("fail_start"):
        print("loading from the usual place")
        raise ValueError("no model here")
    if is_there("exit_start"):
        raise SystemExit(3)
    if is_there("hang_start"):
        time.sleep(3600)


@currant.on_child_start
def after_the_model() -> None:
    tell("after_the_model")


@currant.on_child_stop
async def close_pool() -> None:
    await asyncio.sleep(0.01)
    tell(f"close_pool {len(pool)}")


@currant.on_child_stop
def report() -> None:
    tell("report")
    if is_there("fail_stop"):
        raise RuntimeError("nobody to report to")


@currant.on_child_stop
async def say_goodbye() -> None:
    tell("say_goodbye")
    if is_there("crash_stop"):
        os.kill(os.getpid(), signal.SIGKILL)
    if is_there("slow_stop"):
        await asyncio.sleep(3600)


@currant.middleware
async def outer(execution: CurrentExecution) -> AsyncIterator[None]:
    assert execution == current_execution()
    span.set("outer")
    try:
        yield
    except LookupError:
        tell("swallowed")


@currant.middleware
@contextlib.asynccontextmanager
async def inner(execution: CurrentExecution) -> AsyncIterator[None]:
    if execution.function.endswith("refused"):
        raise PermissionError("not this one")
    span.set(f"{span.get()}/inner")
    try:
        yield
    except ArithmeticError as error:
        raise RuntimeError(f"changed: {error}") from error
    finally:
        await asyncio.sleep(0)


@job(queue="test", retries=0)
async def uses_pool() -> list[Any]:
    return [pool == [os.getpid()], tenant.get(), span.get()]


@job(queue="test", retries=0)
async def raising(kind: str) -> None:
    kinds = {"lookup": KeyError("x"), "arithmetic": ZeroDivisionError("y"), "value": ValueError("z")}
    raise {**kinds, "exit": SystemExit(1), "generator": GeneratorExit(), "cancelled": asyncio.CancelledError()}[kind]


@job(queue="test", retries=0)
async def raising_in_a_task(kind: str) -> None:
    await asyncio.create_task(raising(kind))


@job(queue="test", retries=0)
async def refused() -> None:
    tell("refused ran")


@job(queue="test", retries=0)
async def lasting(seconds: float) -> None:
    tell("begin")
    try:
        await asyncio.sleep(seconds)
    finally:
        tell("end")
