"""Which of the node's queues are paused, as far as it knows: it claims from the others, the open ones."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence

from currant.errors import StatementRefused
from currant.supervisor.events import Event, Log


class Pauses:
    """What the database has said of the queues' pauses.

    A queue is open while the last answer says that it is not paused. One of which nothing is known, because the node
    serves it only since a reload, stays closed until the next answer. One that was paused stays open until then: if
    word of a pause alone closed it, whoever may NOTIFY could keep it closed.
    """

    def __init__(self, *, opened: Callable[[], None], log: Log) -> None:
        """`opened`: a queue is open that was not: there may be work in it."""
        self._opened, self._log = opened, log
        self._open: frozenset[str] = frozenset()
        self._paused: frozenset[str] = frozenset()
        self._asked = 0
        #: The question of the last answer.
        self._answered = 0

    @property
    def paused(self) -> list[str]:
        """The node's queues that are paused, by name."""
        return sorted(self._paused)

    def open_of(self, queues: Sequence[str]) -> list[str]:
        """Returns those of these queues that are open."""
        return [each for each in queues if each in self._open]

    def is_open(self, queue: str) -> bool:
        return queue in self._open

    def ask(self) -> int:
        """A question is on its way to the database; returns its number, for the answer."""
        self._asked += 1
        return self._asked

    def answer(self, question: int, queues: Sequence[str], paused: Collection[str]) -> None:
        """The database has said which of these queues are paused. What was asked before the last answer's question may
        tell of the time before a pause, and does not count."""
        if question < self._answered:
            return
        self._answered = question
        before, self._open = self._open, frozenset(queues) - frozenset(paused)
        paused_before, self._paused = self._paused, frozenset(paused)
        if new := self._paused - paused_before:
            self._log.info(Event.QUEUES_PAUSED, queues=sorted(new))
        if gone := self._open & paused_before:
            self._log.info(Event.QUEUES_RESUMED, queues=sorted(gone))
        if self._open - before:
            self._opened()


class PauseLook:
    """Asks the database for the pauses when something may have changed; the tick asks, too."""

    def __init__(self, look: Callable[[], Awaitable[None]], refused: Callable[[str], None]) -> None:
        """
        Args:
            look: asks, until there is an answer.
            refused: told why the database refuses the statement.
        """
        self._look, self._refused = look, refused
        self._wake = asyncio.Event()

    def due(self) -> None:
        """The answer of before may not hold any more."""
        self._wake.set()

    async def run(self) -> None:
        """Looks whenever that is due, until it is cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._look()
            except StatementRefused as error:
                # The tick asks again.
                self._refused(str(error))
