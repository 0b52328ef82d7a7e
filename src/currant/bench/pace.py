"""From the beginnings of batches to a rate. Pure."""

from collections.abc import Sequence
from typing import NamedTuple


class Batch(NamedTuple):
    """Executions completed by one transaction; when it began, and the first of them was claimed, in Unix seconds."""

    began_s: float
    claimed_s: float
    executions: int


class Pace(NamedTuple):
    """So many executions in so many seconds."""

    executions: int
    seconds: float

    @property
    def per_s(self) -> float:
        return self.executions / self.seconds if self.seconds > 0 else 0.0

    def __add__(self, other: object) -> "Pace":
        """The harmonic mean, weighted: all the executions over all the seconds."""
        assert isinstance(other, Pace)
        return Pace(self.executions + other.executions, self.seconds + other.seconds)


def pace_of(batches: Sequence[Batch], warmup: int) -> Pace:
    """Returns the pace at which batches of completions followed each other, after the first `warmup` executions.

    `completed_at` is the beginning of a batch's transaction. From the first batch's beginning to the last one's, every
    batch but the last was written: those are what that time bought, so the last one, whose writing is in no timestamp,
    is left out of the rows as it is left out of the time. (Counting it would flatter the drain by one batch.)
    """
    before = 0
    for index, batch in enumerate(batches):
        if before >= warmup and index < len(batches) - 1:
            measured = batches[index:]
            return Pace(sum(each.executions for each in measured[:-1]), measured[-1].began_s - batch.began_s)
        before += batch.executions
    # Too few batches to leave one out at either end: from the first claim to the beginning of the last completion.
    claimed_s = min(batch.claimed_s for batch in batches)
    return Pace(before, batches[-1].began_s - claimed_s)
