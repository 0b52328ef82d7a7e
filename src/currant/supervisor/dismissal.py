"""Children that are to end in an orderly way: they are asked to run their stop hooks, and waited for."""

import asyncio
from typing import Protocol

from currant.protocol.work import Stop, ToChild
from currant.supervisor.events import Event, Log


class Child(Protocol):
    """What is needed of a child."""

    id: int
    place: int
    dismissed: bool
    status: int | None

    def send(self, message: ToChild) -> None: ...
    def kill(self) -> None: ...


class Dismissal:
    """The children that were asked to end and have not ended yet."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._asked: dict[int, Child] = {}
        self._one_ended = asyncio.Event()
        self._are_late = False

    def ask(self, child: Child) -> None:
        """Asks a child to end, which must not hold anything any more."""
        child.dismissed = True
        self._asked[child.id] = child
        child.send(Stop())

    def ended(self, child: Child, reason: str) -> None:
        """Takes note of the end of any child."""
        if self._asked.get(child.id) is child:
            del self._asked[child.id]
            self._one_ended.set()
            if child.status and not self._are_late:
                self._log.warning(Event.STOP_HOOKS_CUT, children=[child.place], reason=reason)

    async def wait(self) -> None:
        """Waits until all that were asked have ended."""
        while self._asked:
            self._one_ended.clear()
            await self._one_ended.wait()

    def kill_late(self) -> None:
        """Kills those that have not ended."""
        if self._asked:
            self._are_late = True
            self._log.warning(
                Event.STOP_HOOKS_CUT,
                children=[child.place for child in self._asked.values()],
                reason="they took too long",
            )
        for child in self._asked.values():
            child.kill()

    def kill_if_late(self, child: Child) -> None:
        """Kills this one if it has not ended."""
        if self._asked.get(child.id) is child:
            self._log.warning(Event.STOP_HOOKS_CUT, children=[child.place], reason="they took too long")
            child.kill()
