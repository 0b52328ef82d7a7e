"""What tests of all kinds share."""

import asyncio
import functools
import os
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ParamSpec

import pytest

from currant.executions import NULL, Ending, Outcome
from currant.protocol import work

P = ParamSpec("P")

#: What never comes ends the test, and does not hang it: far above what a slow machine needs.
HANGS_S = 120.0


def in_loop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Runs an async test in an event loop of its own."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        async def within_time() -> None:
            async with asyncio.timeout(HANGS_S):
                await test(*args, **kwargs)

        asyncio.run(within_time())

    return run


async def comes_true(condition: Callable[[], Any]) -> None:
    """Waits until the condition is true."""
    async with asyncio.timeout(HANGS_S):
        while not condition():  # noqa: ASYNC110 – it is another process that makes it true
            await asyncio.sleep(0.01)


@contextmanager
def frozen_backend(pid: int) -> Iterator[None]:
    """Stops a process of the database's server for a while; skips where the server runs elsewhere."""
    process = Path(f"/proc/{pid}/comm")
    if not process.exists() or not process.read_text().startswith("postgres"):
        pytest.skip("the server runs elsewhere")
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def outcomes_in(message: work.Outcomes) -> list[Outcome]:
    """Returns the outcomes of a message, those of which only the cells were sent behind the others."""
    return message.outcomes + [Outcome(cell, Ending.COMPLETED, NULL) for cell in message.done]
