"""Queues that are paused: no node claims from them. Their nodes hear of each change on the queue's channel."""

from collections.abc import Sequence
from typing import NamedTuple

from currant.records import Pause
from currant.store.channels import PAUSE
from currant.store.connections import Connection
from currant.store.statements import fetch, load

_PAUSE = load("pause_queue")
_RESUME = load("resume_queue")
_LIST = load("paused_queues")
_OF = load("paused_of")


class Paused(NamedTuple):
    """A pause, whether it is new, and whether the queue is `known`: a node serves it, or something waits in it."""

    pause: Pause
    new: bool
    known: bool


class Resumed(NamedTuple):
    """The pause that has ended, None without one; `known` as in `Paused`."""

    pause: Pause | None
    known: bool


async def pause(connection: Connection, queue: str, *, by: str, reason: str | None) -> Paused:
    """Pauses a queue. One that is paused stays so as it is: since when, by whom, and why."""
    parameters = {"queue": queue, "by": by, "reason": reason, "word": PAUSE}
    ((name, at, who, why, new, known),) = await fetch(connection, _PAUSE, parameters)
    return Paused(Pause(name, at, who, why), new, known)


async def resume(connection: Connection, queue: str) -> Resumed:
    """Ends a queue's pause, if it has one."""
    ((name, at, who, why, known),) = await fetch(connection, _RESUME, {"queue": queue, "word": PAUSE})
    return Resumed(None if name is None else Pause(name, at, who, why), known)


async def list_paused(connection: Connection) -> list[Pause]:
    """Returns all pauses, by the queues' names."""
    return [Pause(*row) for row in await fetch(connection, _LIST, {})]


async def paused_of(connection: Connection, queues: Sequence[str]) -> list[str]:
    """Returns those of these queues that are paused."""
    return [row[0] for row in await fetch(connection, _OF, {"queues": list(queues)})]
