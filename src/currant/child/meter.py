"""How busy a child's slots are, in slot-seconds: those in which an execution had started and not ended.

Theory of operation. A clock for each execution would cost more than this is worth: the runner says once or twice a turn
how many are active. Between two such moments the number is taken to have changed evenly, as it does where executions
end one after the other in one turn of the event loop; where it has not changed, `steady` says so. While executions take
their first steps one after the other, one of them is active that the runner does not know of yet, or not any more.
"""

from collections.abc import Callable


class Meter:
    """Adds up, and keeps what it knows where the supervisor reads it."""

    def __init__(self, slots: int, write: Callable[[float, float, float], None], clock: Callable[[], float]) -> None:
        """`write`: gets the fields of `Busy` in protocol/cells.py."""
        self._slots, self._write, self._clock = slots, write, clock
        self._busy_slot_s = 0.0
        self._active = 0
        self._stepping = 0
        self._at_s = clock()

    def steady(self) -> None:
        """Until now as many were active as were said last; from now on that changes."""
        self._add(self._active)

    def note(self, active: int, *, stepping: bool = False, briefly: bool = False) -> None:
        """So many are active now; those that wait for others, and have lent their slots, are not.

        Args:
            stepping: from now on some take their first steps that are not among them.
            briefly: the next note comes at once, and what is written then will do.
        """
        self._add(active)
        self._active, self._stepping = active, int(stepping)
        if not briefly:
            self._write(self._busy_slot_s, min(active + self._stepping, self._slots), self._at_s)

    def _add(self, active: int) -> None:
        now = self._clock()
        share = (self._active + active) / 2 + self._stepping
        self._busy_slot_s += min(share, self._slots) * (now - self._at_s)
        self._at_s = now
