"""What the unit tests share."""

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec

from currant.executions import Execution

P = ParamSpec("P")

#: What never comes ends the test, and does not hang it.
HANGS_S = 20.0


def in_loop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Runs an async test in an event loop of its own."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        async def within_time() -> None:
            async with asyncio.timeout(HANGS_S):
                await test(*args, **kwargs)

        asyncio.run(within_time())

    return run


def execution(
    id: str = "job_1",
    *,
    lease: int = 1,
    attempt: int = 1,
    crashes: int = 0,
    max_retries: int = 3,
    args: bytes | None = b"[]",
    kwargs: bytes | None = b"{}",
) -> Execution:
    return Execution(id, lease, b"", "app.f", "default", attempt, crashes, max_retries, None, args, kwargs)


def executions(count: int, *, size: int = 0) -> list[Execution]:
    """Returns executions with ids of their own, each with `size` bytes of arguments."""
    return [execution(f"job_{number}", args=b"x" * size, kwargs=b"") for number in range(count)]
