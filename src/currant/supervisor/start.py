"""Where the next claim begins to look: at the head of the queues, or behind what was claimed last.

A claimed row leaves a dead entry at the head of the index. Vacuum removes these, but not while any transaction is open
that may still see the rows: after an hour of a forgotten one each look from the head passes all of that hour's entries.
So a slow look from the head is paid for once (the first time twice: only then is it asked where it ends), and the
claims that follow go on behind the last one claimed, until the head is due again: it takes a share of the time, no
more. What came to the head meanwhile, such as a higher priority or a retry, waits so long, and no longer.

On a busy machine a look may be slow for another reason. Then one from elsewhere is no quicker, and looks are made from
the head for as long as they otherwise were not; after that the two are compared again.
"""

from collections.abc import Callable

from currant.store.queries import Claim, Position

#: A look from the head that takes no longer is made each time; in all, and more for each that it claims.
SLOW_S, SLOW_EACH_S = 0.02, 50e-6
#: After a slow one, looks from elsewhere are made for so many times as long as it took.
SHARE = 8.0
#: A look from elsewhere is quicker when it takes, for each that it claims, less than this part of one from the head.
QUICKER = 0.5


class Start:
    """The position behind which claims go on; None for the head."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` is monotonic, in seconds."""
        self._clock = clock
        self._last: Position | None = None
        #: Until then looks are made from elsewhere; until then from the head, however slow.
        self._head_at = self._bear_until = 0.0
        self._began = 0.0
        #: Of the last look from the head, in all and for each execution.
        self._head_s = self._head_each_s = 0.0
        #: Whether that was slow: then the next claim is to say where its last one stood.
        self.slow = False

    def next(self) -> Position | None:
        """Returns behind which position the claim that begins now looks; None: at the head."""
        self._began = self._clock()
        return self._last if self._began < self._head_at else None

    def note(self, after: Position | None, rows: int, claim: Claim) -> None:
        """Takes what a claim of so many rows behind that position brought."""
        now = self._clock()
        took_s = now - self._began
        count = claim.size
        each_s = took_s / max(1, count)
        if after is None:
            self._head_s, self._head_each_s = took_s, each_s
            self.slow = took_s > SLOW_S + SLOW_EACH_S * count and now >= self._bear_until
            self._head_at = now + SHARE * took_s if self.slow else 0.0
        elif count and each_s > QUICKER * self._head_each_s:
            self._bear_until = now + SHARE * self._head_s
            self.slow, self._head_at = False, 0.0
        # With less to see than wanted the end is reached: what there may be else stands before.
        self._last = claim.last if claim.seen >= rows else None
