"""Our counts of what was sent to the database against the server's own. Pure."""

from collections.abc import Mapping

from currant.bench.results import Check
from currant.bench.server import Mark
from currant.store.usage import BEGIN

NAME = "statements"
#: By so much of them, or so many, the server may have seen more, when nobody else uses it, for the end of `currantd`;
#: and by so many for each second, for autovacuum, which looks once a minute.
SHARE, NUMBER, PER_S = 0.01, 50, 0.5
#: They notify: in the session that listens each of their commits is one more transaction, or several are one.
NOTIFYING = (
    "enqueue", "enqueue_one", "enqueue_any", "tick", "settle", "promote", "unpark", "fire_schedules", "cancel", "retry",
    "pause_queue", "resume_queue",
)  # fmt: skip


def audit(sent: Mapping[str, int], before: Mark, after: Mark, *, alone: bool, lost: int = 0) -> Check:
    """Compares the counts of all that was sent between two marks.

    Args:
        sent: how often each was, by name.
        alone: nobody else uses the server, so that it must not have seen many more.
        lost: so many connections were lost, each perhaps with a statement that the server never saw.
    """
    if before.calls is not None and after.calls is not None:
        counted = {name: calls - before.calls.get(name, 0) for name, calls in after.calls.items()}
        return _by_name({name: calls for name, calls in sent.items() if name in counted}, counted, alone=alone)
    ours = sum(sent.values())
    if before.transactions is None or after.transactions is None:
        return Check(NAME, ok=True, text=f"{ours:,} were sent; the server does not tell how many it has seen")
    theirs = after.transactions - before.transactions
    others = "" if alone else ", others' included"
    text = f"{ours:,} were sent, and the server has seen {theirs:,} transactions{others}"
    if sent.get(BEGIN):
        return Check(NAME, ok=True, text=f"{text}; some were sent in one")
    heard = sum(sent.get(name, 0) for name in NOTIFYING)
    most = ours + heard + _room(ours) + PER_S * (after.at_s - before.at_s)
    return Check(NAME, ok=ours - lost <= theirs and (theirs <= most or not alone), text=text)


def _by_name(ours: Mapping[str, int], theirs: Mapping[str, int], *, alone: bool) -> Check:
    def agree(name: str) -> bool:
        # One that failed is in ours alone: the server counts by name what succeeds.
        room = _room(ours[name])
        return theirs[name] >= ours[name] - room and (theirs[name] <= ours[name] + room or not alone)

    if amiss := [name for name in ours if not agree(name)]:
        told = ", ".join(f"{name} {ours[name]:,} times, by the server {theirs[name]:,}" for name in amiss)
        return Check(NAME, ok=False, text=f"the counts differ: {told}")
    seen = sum(theirs[name] for name in ours)
    sent = f"{sum(ours.values()):,} of {len(ours)} kinds were sent"
    return Check(NAME, ok=True, text=f"{sent}, and the server has seen {seen:,} (pg_stat_statements)")


def _room(count: int) -> float:
    return max(NUMBER, SHARE * count)
