"""What a check says: how it went, what was found, and what to do about it."""

import enum
from collections.abc import Iterable

import msgspec


class Verdict(enum.StrEnum):
    """Failed: a node cannot work like this, or loses what it must not. Warning: it works, and somebody should look."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


class Part(enum.StrEnum):
    """What a check looks at."""

    SETTINGS = "settings"
    MACHINE = "machine"
    DATABASE = "database"
    WORK = "work"


class Check(msgspec.Struct):
    """`advice` is one line; None where nothing is to be done."""

    part: Part
    name: str
    verdict: Verdict
    found: str
    advice: str | None = None


class Checks:
    """Makes the checks of one part."""

    def __init__(self, part: Part) -> None:
        self._part = part

    def ok(self, name: str, found: str) -> Check:
        return Check(self._part, name, Verdict.OK, found)

    def warning(self, name: str, found: str, advice: str) -> Check:
        return Check(self._part, name, Verdict.WARNING, found, advice)

    def failed(self, name: str, found: str, advice: str) -> Check:
        return Check(self._part, name, Verdict.FAILED, found, advice)


def worst(checks: Iterable[Check]) -> Verdict:
    """Returns failed if any has failed, else warning if any warns."""
    order = list(Verdict)
    return max((each.verdict for each in checks), key=order.index, default=Verdict.OK)


def some(names: Iterable[str], shown: int = 5) -> str:
    """Returns the first of the names, and how many more there are."""
    every = list(names)
    more = f" and {len(every) - shown:,} more" if len(every) > shown else ""
    return ", ".join(every[:shown]) + more
