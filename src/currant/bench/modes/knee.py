"""The search for the knee, the highest rate that is kept. Pure: it names rates, and is told what became of them."""

#: A knee is found when the lowest broken rate is at most so many times the highest kept one.
PRECISION = 1.1
#: So often the first rate may be halved, when it is broken itself, before there is no knee.
HALVINGS = 3


class Search:
    """Doubles the rate until one breaks, then bisects between that one and the last that was kept.

    A rate counts as broken when it breaks twice: on a machine that others use one bad moment says nothing.
    """

    def __init__(self, first_per_s: float, highest_per_s: float) -> None:
        """
        Args:
            first_per_s: where it begins; when that breaks it halves down to a rate that is kept.
            highest_per_s: the highest rate that is tried.
        """
        assert 0 < first_per_s <= highest_per_s
        self._lowest_per_s, self._highest_per_s = first_per_s / 2**HALVINGS, highest_per_s
        self._doubted = False
        self.kept_per_s: float | None = None
        self.broken_per_s: float | None = None
        #: What to try next; None: the search is over.
        self.next_per_s: float | None = first_per_s

    def note(self, *, kept: bool) -> None:
        """Takes what became of the rate that was next."""
        rate_per_s = self.next_per_s
        assert rate_per_s is not None
        if not kept and not self._doubted:
            self._doubted = True
            return
        self._doubted = False
        if kept:
            self.kept_per_s = rate_per_s
        else:
            self.broken_per_s = rate_per_s
        self.next_per_s = self._following()

    def _following(self) -> float | None:
        kept, broken = self.kept_per_s, self.broken_per_s
        if kept is None:
            assert broken is not None
            return broken / 2 if broken / 2 >= self._lowest_per_s else None
        if broken is None:
            return min(2 * kept, self._highest_per_s) if kept < self._highest_per_s else None
        # By ratio, as the precision is: halves of what is left in steps of equal worth.
        return None if broken <= PRECISION * kept else (kept * broken) ** 0.5
