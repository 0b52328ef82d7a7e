"""What is in queues, in figures: cheap enough to be asked for every few seconds, whatever waits there."""

import time
from collections.abc import Sequence
from typing import NamedTuple

from currant.store.connections import Connection
from currant.store.statements import fetch, load

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
    """What there is in queues. A count of `limit` means so many or more. `took_s`: how long the database took."""

    limit: int
    queues: list[QueueFigure]
    took_s: float


async def queue_figures(connection: Connection, *, queues: Sequence[str], limit: int) -> QueueFigures:
    """Returns what there is in these queues; in each, up to `limit` executions of each state are counted."""
    parameters = {"queues": list(queues), "rows": limit, "priorities": PRIORITIES_MAX}
    began_s = time.monotonic()
    found = await fetch(connection, _QUEUE_FIGURES, parameters)
    took_s = time.monotonic() - began_s
    figures = [QueueFigure(name, pending, scheduled, age or 0.0) for name, pending, scheduled, age in found]
    return QueueFigures(limit, figures, took_s)
