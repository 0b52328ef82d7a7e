"""From looks at a count that grows to what was when. Pure."""

from typing import NamedTuple


class Look(NamedTuple):
    """How much was done at a moment, in seconds of any clock."""

    at_s: float
    done: int


class Course:
    """The looks at a count, from which the moments are found when it reached each multiple of `chunk`."""

    def __init__(self, chunk: int, begin: Look) -> None:
        self._chunk = chunk
        self._last, self._reached_s = begin, begin.at_s
        self._next = begin.done + chunk

    def note(self, look: Look) -> list[float]:
        """Takes a look, and returns the paces, per second, of the chunks that it completes.

        Between two looks the count is taken to grow evenly.
        """
        paces = []
        while look.done >= self._next:
            share = (self._next - self._last.done) / (look.done - self._last.done)
            reached_s = self._last.at_s + share * (look.at_s - self._last.at_s)
            paces.append(self._chunk / (reached_s - self._reached_s) if reached_s > self._reached_s else 0.0)
            self._reached_s = reached_s
            self._next += self._chunk
        self._last = look
        return paces
