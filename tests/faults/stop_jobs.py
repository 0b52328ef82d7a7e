"""Jobs that a stop meets: each can be told apart by what it does with its grace period."""

import asyncio
import os
import time

from jobs import note  # type: ignore[import-not-found]

import currant
from currant import current_execution, job


def _is_slow(what: str) -> bool:
    return os.path.exists(f"{os.environ['TEST_LEDGER']}.slow_{what}")


# A test may ask for modules that take long to import, ...
if _is_slow("import"):
    time.sleep(3600)


@currant.on_child_start
async def hold_up() -> None:
    # ... or for children that take long to start.
    if _is_slow("start"):
        await asyncio.sleep(3600)


@job(queue="test")
async def brief(seconds: float = 0.02) -> None:
    note("start")
    await asyncio.sleep(seconds)
    note("end")


@job(queue="test")
async def endless_at_first() -> None:
    """Ends in its second run."""
    await _note_and_hang(stubborn=False)


@job(queue="test")
async def stubborn_at_first() -> None:
    """In its first run swallows its cancellation; ends in its second."""
    await _note_and_hang(stubborn=True)


async def _note_and_hang(*, stubborn: bool) -> None:
    again = _has_run()
    note("start")
    while not again:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            if not stubborn:
                raise
    note("end")


def _has_run() -> bool:
    with open(os.environ["TEST_LEDGER"]) as ledger:
        return any(f"start {current_execution().id} " in line for line in ledger)
