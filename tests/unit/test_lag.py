"""The lag of a child's event loop: sampled while something runs."""

import asyncio
import time

from currant.child.lag import SAMPLE_S, LoopLag
from tests.support import in_loop


@in_loop
async def test_a_blocked_loop_is_late() -> None:
    lag = LoopLag(asyncio.get_running_loop(), time.monotonic)
    lag.worst(time.monotonic(), busy=True)
    await asyncio.sleep(0)
    time.sleep(SAMPLE_S + 0.3)
    await asyncio.sleep(0.05)
    assert lag.worst(time.monotonic(), busy=False) >= 0.3


@in_loop
async def test_a_question_that_waited_for_the_loop_says_so_too() -> None:
    lag = LoopLag(asyncio.get_running_loop(), lambda: 10.0)
    assert lag.worst(7.5, busy=False) == 2.5
    # By another clock than ours, or a later moment: never below 0.
    assert lag.worst(11.0, busy=False) == 0.0
