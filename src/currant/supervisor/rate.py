"""How fast a count grows."""

from collections.abc import Callable


class Rate:
    """Of a count that begins with 0: by how much it grew, each second, since the last sample."""

    def __init__(self, clock: Callable[[], float], sample_s: float) -> None:
        """`sample_s`: a rate is of at least so many seconds; asked sooner, it is the last one."""
        self._clock, self._sample_s = clock, sample_s
        self._at, self._count = clock(), 0
        self._per_s = 0.0

    def per_s(self, count: int) -> float:
        """Takes the count as it is now, and returns its rate."""
        now = self._clock()
        if now - self._at >= self._sample_s:
            self._per_s = (count - self._count) / (now - self._at)
            self._at, self._count = now, count
        return self._per_s
