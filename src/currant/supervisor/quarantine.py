"""Suspects: executions that have met two crashes run alone, so that the one that kills is found and no other suffers.

Theory of operation. A claim brings suspects among others; `sift` sets them aside in the ledger, where they stand in a
line that is bounded in length. They run in children of places that are opened for it, one execution at a time in each;
nothing else is ever given to these. A line that does not move gets more such places, up to a few. What has waited too
long, or finds the line full, is put off: scheduled for a moment soon, uncounted, so that another node can take it and
this one need not claim it again at once. So normal work never waits for suspects. When there have been none for a
while, the places are closed.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from currant.executions import Execution
from currant.supervisor.events import Event, Log
from currant.supervisor.ledger import Ledger, Shut
from currant.supervisor.places import Role

#: From so many crashes on an execution is a suspect.
CRASHES = 2
#: So many may stand in line, ...
LINE_MAX = 200
#: ... for so long.
WAIT_S = 10.0
#: Put off by so much, and up to twice that.
PUT_OFF_S = 10.0
#: When the first in line has waited for so long, one more place is opened; at most so many. Never one alone: a suspect
#: may wait for the result of another.
GROW_S, PLACES_MAX = 1.0, 4
#: Places that nobody needed for so long are closed.
IDLE_S = 60.0
LOOK_S = 0.5


class Children(Protocol):
    """What is needed of the table of children."""

    def open_place(self, role: Role) -> int: ...
    def close_place(self, number: int) -> None: ...


class Quarantine:
    """The line of suspects, and the places where they run."""

    def __init__(
        self,
        ledger: Ledger,
        children: Children,
        *,
        give: Callable[[int, Execution], None],
        put_off: Callable[[list[Execution], float], None],
        release: Callable[[list[Execution]], None],
        log: Log,
        clock: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        """
        Args:
            give: sends an execution to a child.
            put_off: schedules executions for later, by so many seconds, uncounted.
            release: gives executions back, uncounted.
        """
        self._ledger, self._children = ledger, children
        self._give, self._put_off, self._release = give, put_off, release
        self._log, self._clock, self._random = log, clock, random
        self._places: list[int] = []
        self._used_at = 0.0
        self._came = asyncio.Event()

    def sift(self, executions: list[Execution]) -> list[Execution]:
        """Sets the suspects among these aside, and returns the others."""
        # The one thing here that every execution pays for.
        suspects = [each for each in executions if each.crashes >= CRASHES]
        if not suspects:
            return executions
        self._take(suspects)
        return [each for each in executions if each.crashes < CRASHES]

    def look(self) -> None:
        """A suspect or a child for one may have come: each free child gets the one that has waited longest."""
        if not self._ledger.aside:
            return
        for child in self._ledger.idle(Shut.QUARANTINE):
            execution = self._ledger.pop_aside()
            if execution is None:
                return
            self._give(child, execution)

    def dissolve(self) -> None:
        """Gives back what stands in line: the node drains, or is another one now."""
        self._release(self._ledger.take_aside())

    async def run(self) -> None:
        """Sees to the line while there is one, and to the places; until it is cancelled."""
        while True:
            await self._came.wait()
            self._came.clear()
            while self._places or self._ledger.aside:
                await asyncio.sleep(LOOK_S)
                self.look_at_line(self._clock())

    def look_at_line(self, now: float) -> None:
        late = []
        while (execution := self._ledger.pop_aside(before=now - WAIT_S)) is not None:
            late.append(execution)
        self._put_off_some(late)
        self.look()
        if self._ledger.aside or self._ledger.busy(Shut.QUARANTINE):
            self._used_at = now
            if self._ledger.aside_since(now) >= GROW_S and len(self._places) < PLACES_MAX:
                self._open()
        elif now - self._used_at >= IDLE_S:
            while self._places:
                self._children.close_place(self._places.pop())

    def _take(self, suspects: list[Execution]) -> None:
        room = max(0, LINE_MAX - self._ledger.aside)
        self._put_off_some(suspects[room:])
        self._ledger.set_aside(suspects[:room], self._clock())
        if not self._places:
            self._open()
        self.look()
        self._came.set()

    def _put_off_some(self, suspects: list[Execution]) -> None:
        for each in suspects:
            # Each by another time: they would all come back together.
            self._put_off([each], PUT_OFF_S * (1 + self._random()))

    def _open(self) -> None:
        place = self._children.open_place(Role.QUARANTINE)
        self._places.append(place)
        self._used_at = self._clock()
        self._log.warning(Event.QUARANTINE, child=place, suspects=self._ledger.aside)
