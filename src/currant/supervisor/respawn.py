"""When a child is started again after a death, and when that is hopeless. Pure: no I/O, times by any monotonic clock.

Theory of operation. The first child after one that worked is started at once. One that ends before it has started an
execution is a failure, and each failure in a row doubles the wait, jittered and up to a limit. A place with many deaths
in a minute rests, however well its children began: what kills them then kills fewer. The node as a whole forks only so
many in a minute in place of dead ones.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

RESTART_S = (0.1, 30.0)
#: So many deaths of a place within so many seconds give it a rest of this length.
DEATHS_MAX, DEATHS_S, REST_S = 10, 60.0, 30.0
#: The node starts so many children a minute in place of dead ones, or twice as many as it has, if that is more.
FORKS_PER_MINUTE = 60
#: So many failed boots within so many seconds are more than bad luck.
BOOT_FAILURES_MAX, BOOT_FAILURES_S = 5, 60.0


@dataclass
class _Place:
    failures: int = 0
    deaths: deque[float] = field(default_factory=deque)


@dataclass(frozen=True)
class Wait:
    """How long to wait before the next start, and whether the place rests meanwhile: it has had too many deaths."""

    delay_s: float
    resting: bool = False


class Respawn:
    """The waits of all places."""

    def __init__(self, *, random: Callable[[], float]) -> None:
        """
        Args:
            random: returns a number from 0 to 1.
        """
        self._random = random
        self._places: dict[int, _Place] = {}
        self._budget = float(FORKS_PER_MINUTE)
        self._budget_at = float("-inf")

    def died(self, place: int, now: float, *, proven: bool, places: int) -> Wait:
        """Returns how long to wait after a death in this place.

        Args:
            proven: it had started an execution: it was well.
            places: how many places there are.
        """
        of = self._places.setdefault(place, _Place())
        if proven:
            of.failures = 0
        of.failures += 1
        of.deaths.append(now)
        while of.deaths[0] <= now - DEATHS_S:
            of.deaths.popleft()
        budget_s = self._spend(now, max(FORKS_PER_MINUTE, 2 * places))
        if len(of.deaths) >= DEATHS_MAX:
            of.deaths.clear()
            return Wait(max(REST_S, budget_s), resting=True)
        delay_s = 0.0
        if of.failures > 1:
            low, high = RESTART_S
            # 2.0**n overflows for a place that has failed for weeks.
            delay_s = min(high, low * 2.0 ** min(of.failures - 1, 32)) * (0.5 + self._random() / 2)
        return Wait(max(delay_s, budget_s))

    def spend_spare(self, now: float, *, places: int) -> bool:
        """Takes one start from the budget if more than half of it is left, which is for deaths; returns whether."""
        a_minute = max(FORKS_PER_MINUTE, 2 * places)
        self._refill(now, a_minute)
        if self._budget <= a_minute / 2:
            return False
        self._budget -= 1
        return True

    def forget(self, place: int) -> None:
        """The place is closed."""
        self._places.pop(place, None)

    def _spend(self, now: float, a_minute: int) -> float:
        """Takes one start from the budget; returns after how many seconds it may be used."""
        self._refill(now, a_minute)
        self._budget -= 1
        return max(0.0, -self._budget * 60 / a_minute)

    def _refill(self, now: float, a_minute: int) -> None:
        self._budget = min(a_minute, self._budget + (now - self._budget_at) * a_minute / 60)
        self._budget_at = now


class BootFailures:
    """The failed boots of late, of all places together."""

    def __init__(self) -> None:
        self._at: deque[float] = deque(maxlen=BOOT_FAILURES_MAX)

    def failed(self, now: float) -> bool:
        """Notes one; returns whether there were too many."""
        self._at.append(now)
        return len(self._at) == BOOT_FAILURES_MAX and self._at[0] > now - BOOT_FAILURES_S

    def succeeded(self) -> None:
        self._at.clear()
