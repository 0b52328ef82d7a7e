"""Who is told what of the children."""

from collections.abc import Callable
from dataclasses import dataclass

from currant.protocol.work import FromChild
from currant.supervisor.child import Child, Restart


@dataclass(frozen=True, kw_only=True)
class Ears:
    """Who is told what.

    Attributes:
        ready: a child is ready for work.
        received: a child sent something.
        leaving: another child has taken this one's place, or that is closed: it is to get no new work, to give back
            what it has not started, and to be dismissed (`Children.dismiss`) when it holds nothing any more.
        died: a child is gone, with the reason, and whether that was the fork server's end and not its own.
        hopeless: boots fail, as the text says, before any child was ready. No child is started any more.
        restarted: a child is replaced, or will be, and why.
        degraded, recovered: children cannot be started, for this reason; they can be started again.
    """

    ready: Callable[[Child], None]
    received: Callable[[Child, FromChild], None]
    leaving: Callable[[Child], None]
    died: Callable[[Child, str, bool], None]
    restarted: Callable[[Restart], None]
    hopeless: Callable[[str], None]
    degraded: Callable[[str], None]
    recovered: Callable[[], None]
