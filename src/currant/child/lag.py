"""How late the child's event loop is: blocking code delays everything that runs beside it."""

import asyncio
from collections.abc import Callable

SAMPLE_S = 0.1
#: After each ping so many samples are taken: a little longer than until the next one. An idle child takes none.
_SAMPLES = 15


class LoopLag:
    """Samples, while there is something to run, how late a timer fires."""

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Callable[[], float]) -> None:
        self._loop, self._clock = loop, clock
        self._worst_s = 0.0
        self._due_s = 0.0
        self._left = 0

    def worst(self, sent_s: float, *, busy: bool) -> float:
        """Returns by how much the loop was late at the most since the last call, in seconds.

        Args:
            sent_s: when the message that is being answered was sent, by the clock: it waited for the loop, too.
            busy: whether anything runs, and the next seconds are to be sampled.
        """
        worst_s = max(self._worst_s, self._clock() - sent_s, 0.0)
        self._worst_s = 0.0
        if busy:
            if not self._left:
                self._arm()
            self._left = _SAMPLES
        return worst_s

    def _arm(self) -> None:
        self._due_s = self._clock() + SAMPLE_S
        self._loop.call_later(SAMPLE_S, self._sample)

    def _sample(self) -> None:
        self._worst_s = max(self._worst_s, self._clock() - self._due_s)
        self._left -= 1
        if self._left:
            self._arm()
