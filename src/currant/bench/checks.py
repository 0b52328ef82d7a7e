"""What must hold for figures to mean anything: every execution was run once, and a rate asked for was held. Pure."""

from currant.bench.plan import BenchFailed
from currant.bench.results import Check, Document, Run

#: By how much the rate that was reached may differ from the one that was asked for.
RATE_TOLERANCE = 0.02
#: Over a short run a delay of the last enqueue by so much is no rate.
DELAY_S = 0.1
#: The name of the check that compares the two.
RATE_HELD = "rate held"


def every_execution_once(*, enqueued: int, lost: int, doubled: int, amiss: int, left: int) -> Check:
    """
    Args:
        lost: enqueued, and neither ended nor left.
        doubled: ended after more runs than they needed.
        amiss: ended otherwise than they were meant to.
        left: waiting when the time was over.
    """
    text = f"of {enqueued:,} executions {lost:,} were lost and {doubled:,} were run more often than needed"
    if amiss:
        text += f", and {amiss:,} ended otherwise than they were meant to"
    if left:
        text += f"; {left:,} were left when the time was over"
    return Check(name="every execution once", ok=not (lost or doubled or amiss), text=text)


def rate_held(*, asked_per_s: float, intended_per_s: float, reached_per_s: float, seconds: float, late: float) -> Check:
    """Compares the rate at which enqueues began with the one at which they were meant to.

    Args:
        asked_per_s: of Poisson arrivals the mean, which those that were drawn are not quite.
        seconds: how long the enqueues were meant to take.
        late: the share of the enqueues that began later than 10 ms after their moment.
    """
    behind_s = seconds * abs(intended_per_s / reached_per_s - 1) if reached_per_s else seconds
    drawn = "" if f"{intended_per_s:.3g}" == f"{asked_per_s:.3g}" else f" ({intended_per_s:,.5g} by chance)"
    return Check(
        name=RATE_HELD,
        ok=behind_s <= max(RATE_TOLERANCE * seconds, DELAY_S),
        text=f"{asked_per_s:,.5g} enqueues a second were asked for{drawn}, and {reached_per_s:,.5g} began,"
        f" {late:.1%} of them more than 10 ms late",
    )


def take_rate_held(run: Run) -> bool:
    """Returns whether the rate was held, and takes the check off the run: to who asks so, it is an answer."""
    held = all(check.ok for check in run.checks if check.name == RATE_HELD)
    run.checks = [check for check in run.checks if check.name != RATE_HELD]
    return held


def raise_failed(document: Document) -> None:
    """Raises BenchFailed when a check did not hold; it says which, in one line."""
    if document.failed:
        raise BenchFailed("; ".join(dict.fromkeys(check.text for check in document.failed)))
