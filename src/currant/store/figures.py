"""What is in queues, in figures: cheap enough to be asked for every few seconds, whatever waits there."""

from collections.abc import Sequence
from typing import NamedTuple

from currant.store.connections import Connection
from currant.store.statements import fetch, load

#: Of one queue so many of each state are counted, ...
QUEUE_ROWS_MAX = 10_000
#: ... and of all queues together: then less of each.
ROWS_MAX = 100_000
#: The oldest is looked for among so many priorities.
PRIORITIES_MAX = 100

_QUEUE_FIGURES = load("queue_figures")


class QueueFigure(NamedTuple):
    """One queue. `oldest_s`: since the oldest pending one was enqueued; 0 without one."""

    name: str
    pending: int
    scheduled: int
    oldest_s: float


class QueueFigures(NamedTuple):
    """What there is in queues. A count of `limit` means so many or more."""

    limit: int
    queues: list[QueueFigure]


def limit_of(queues: int) -> int:
    """Returns up to how many executions of each state are counted in each of so many queues."""
    return max(1, min(QUEUE_ROWS_MAX, ROWS_MAX // max(1, queues)))


async def queue_figures(connection: Connection, *, queues: Sequence[str]) -> QueueFigures:
    """Returns what there is in these queues."""
    limit = limit_of(len(queues))
    parameters = {"queues": list(queues), "rows": limit, "priorities": PRIORITIES_MAX}
    found = await fetch(connection, _QUEUE_FIGURES, parameters)
    return QueueFigures(
        limit, [QueueFigure(name, pending, scheduled, age or 0.0) for name, pending, scheduled, age in found]
    )
