"""What repeats itself is told a few times, and counted."""

from collections.abc import Callable, Hashable

#: How long lines of a kind are left out after those that were told, in seconds.
QUIET_S = 10.0
#: Kinds may be named by rows, and be any number: beyond this many the oldest are forgotten.
KINDS_MAX = 1000


class Repeats:
    """Lets so many of each kind through in each period, and counts the others."""

    def __init__(self, clock: Callable[[], float], *, told_max: int = 1) -> None:
        """
        Args:
            clock: in seconds; it never goes back.
            told_max: how many of a kind are let through within QUIET_S.
        """
        self._clock, self._told_max = clock, told_max
        #: By kind: when its period began, how many were let through in it, and what was left out since the last.
        self._kinds: dict[Hashable, tuple[float, int, int]] = {}

    def admit(self, kind: Hashable, count: int = 1) -> int | None:
        """Returns how many of the kind were left out before this, or None: this is left out as well.

        Args:
            count: as how many it counts when it is left out.
        """
        now = self._clock()
        began, told, left_out = self._kinds.get(kind, (float("-inf"), 0, 0))
        if now - began >= QUIET_S:
            # The newest is last.
            self._kinds.pop(kind, None)
            began, told = now, 0
        if told >= self._told_max:
            self._kinds[kind] = began, told, left_out + count
            return None
        while len(self._kinds) >= KINDS_MAX and kind not in self._kinds:
            del self._kinds[next(iter(self._kinds))]
        self._kinds[kind] = began, told + 1, 0
        return left_out

    def overdue(self, *, now: bool = False) -> dict[Hashable, int]:
        """Returns, once, how many were left out of each kind whose period is over, or with `now` of every kind."""
        before = self._clock() - QUIET_S
        found = {kind: left for kind, (began, _, left) in self._kinds.items() if left and (now or began <= before)}
        for kind in found:
            del self._kinds[kind]
        return found
