"""Checks of what lies in the database: what waits for nobody, what is parked, what has failed."""

from collections.abc import Mapping, Sequence

from currant.cli.doctor.check import Check, Checks, Part, some
from currant.cli.output import count, duration, paused
from currant.records import Queue
from currant.store.checkup import Letters

_of = Checks(Part.WORK)
OLDEST_S_MAX = 600.0
RECENT_S = 86_400.0


def check_nodes(nodes: Mapping[str, float], timeout_s: float) -> Check:
    """`nodes`: how old their heartbeats are, in seconds."""
    alive = [name for name, age_s in nodes.items() if age_s <= timeout_s]
    late = [name for name in nodes if name not in alive]
    if late:
        told = f"{len(alive)} alive; without a heartbeat for {duration(timeout_s)}: {some(late)}"
        advice = (
            "start a node: it takes back what they ran"
            if not alive
            else "wait a moment: the others take back what they ran"
        )
        return _of.warning("nodes", told, advice)
    if not alive:
        return _of.warning("nodes", "none runs: nothing of what waits is run", "start `currantd -m MODULE`")
    return _of.ok("nodes", f"{len(alive)} alive: {some(alive)}")


def check_queues(queues: Sequence[Queue], ages_s: Mapping[str, float]) -> list[Check]:
    """`ages_s`: by queue, for how long its oldest pending execution has waited."""
    checks = []
    alone = [each for each in queues if each.pending and not each.nodes]
    if alone:
        told = "; ".join(f"{each.name}: {count(each.pending, cut=each.pending_cut)} pending" for each in alone[:5])
        advice = "start a node with that queue (-q), or cancel what waits there"
        checks.append(_of.warning("queues nobody serves", told, advice))
    served = [each for each in queues if each.nodes and each.pause is None]
    slow = [each.name for each in served if ages_s.get(each.name, 0.0) > OLDEST_S_MAX]
    if slow:
        told = "; ".join(f"{name}: the oldest waits {duration(ages_s[name])}" for name in slow[:5])
        checks.append(
            _of.warning("backlog", told, "see `currantctl top` for what is busy; more children, or more nodes")
        )
    if not checks:
        waiting = sum(each.pending for each in queues)
        checks.append(_of.ok("queues", f"{len(queues)} in use, {waiting:,} pending, none waits long or for nobody"))
    return checks


def check_paused(queues: Sequence[Queue], now_s: float) -> Check:
    pauses = [(each.name, each.pause) for each in queues if each.pause is not None]
    if not pauses:
        return _of.ok("paused", "no queue")
    told = some(f"{name} {paused(pause, now_s)}" for name, pause in pauses)
    return _of.warning("paused", told, f"when they may go on: currantctl resume {pauses[0][0]}")


def check_parked(parked: Mapping[str, int]) -> Check:
    """`parked`: how many, by function."""
    if not parked:
        return _of.ok("parked", "none: every function that waits is known to a node")
    told = some(f"{count:,} of {function}" for function, count in parked.items())
    return _of.warning("parked", f"no node knows the function: {told}", "start a node whose modules register it")


def check_letters(letters: Letters) -> Check:
    told = f"{count(letters.letters, cut=letters.cut)} in all, {letters.recent:,} of the last {duration(RECENT_S)}"
    if letters.recent:
        return _of.warning(
            "dead letters", told, "see `currant dead list`, then `currant dead retry` or `currant dead purge`"
        )
    return _of.ok("dead letters", told if letters.letters else "none")
