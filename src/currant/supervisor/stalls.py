"""Children whose event loop does not answer: they get no new work, lose what they have not started, and in the end die.

Theory of operation. One timer pings every child each second; a child has at most one ping that it has not answered.
Once that is LATE_S old, the child is stalled: closed in the ledger, and held by SIGSTOP for the moment in which its
unstarted cells are marked as recalled in the memory that is shared with it. So it is certain of each execution whether
it runs there, and the unstarted ones go to other children. Behind them a new ping is sent: when that is answered,
everything sent before has been taken, the marked executions have been dropped, and the child is open again. A child
that somebody else has stopped is treated the same way, but for its stack, which it cannot write.

It is killed when what runs there with a timeout is past it and the grace (which of them blocks the others, nobody can
tell), or when it has been stalled for the stall limit.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Protocol

from currant.executions import Execution
from currant.protocol.work import Ping, Pong, Recall, ToChild
from currant.supervisor import processes, stacks
from currant.supervisor.child import Restart
from currant.supervisor.events import Counts, Event, Log
from currant.supervisor.ledger import Ledger, Shut
from currant.supervisor.processes import HELD
from currant.supervisor.stacks import Stacks

PING_S = 1.0
LATE_S = 3.0
#: When our own timer is so late, we were stopped, and the answers may be there, unread.
OWN_LAG_S = 1.0
#: Lags are told for the last so many pings.
LAGS = 10


class Child(stacks.Child, Protocol):
    """What is needed of a child."""

    @property
    def id(self) -> int: ...
    @property
    def place(self) -> int: ...

    problem: str | None
    killed_for: Restart | None

    def send(self, message: ToChild) -> None: ...
    def is_started(self, cell: int) -> bool: ...
    def kill(self) -> None: ...


@dataclass
class _Pulse:
    child: Child
    number: int = 0
    #: When the ping was sent that it has not answered.
    asked_at: float | None = None
    lags: deque[float] = field(default_factory=lambda: deque(maxlen=LAGS))
    #: Since when it is stalled, and the number of the ping whose answer ends that.
    stalled_at: float | None = None
    ends_with: int = 0
    moving: bool = False


class Stalls:
    """How well each child's event loop does."""

    def __init__(
        self,
        ledger: Ledger,
        counts: Counts,
        *,
        stacks: Stacks,
        returned: Callable[[list[Execution]], None],
        overdue: Callable[[int, list[int]], None],
        spawn: Callable[[Coroutine[Any, Any, None], str], None],
        timeout_s: float,
        grace_s: float,
        log: Log,
        clock: Callable[[], float],
    ) -> None:
        """
        Args:
            returned: takes what a child had not started, and will not start.
            overdue: kills a child whose executions in these cells are past their timeout and the grace.
            spawn: runs a coroutine beside everything else.
            timeout_s: how long a child may be stalled before it is killed.
            grace_s: how long after its timeout an execution may go on.
            clock: the monotonic clock, which children share.
        """
        self._ledger, self._counts, self._stacks = ledger, counts, stacks
        self._returned, self._overdue, self._spawn = returned, overdue, spawn
        self._timeout_s, self._grace_s, self._log, self._clock = timeout_s, grace_s, log, clock
        self._pulses: dict[int, _Pulse] = {}

    def watch(self, child: Child) -> None:
        """Pings the child from now on."""
        self._pulses[child.id] = _Pulse(child)

    def forget(self, child: int) -> None:
        self._pulses.pop(child, None)

    def of_child(self, child: int) -> tuple[float, float | None]:
        """Returns by how much the child's loop was late lately, at the most, and for how long it has been stalled."""
        pulse = self._pulses.get(child)
        if pulse is None:
            return 0.0, None
        now = self._clock()
        waits_s = 0.0 if pulse.asked_at is None else now - pulse.asked_at
        stalled_s = None if pulse.stalled_at is None else now - pulse.stalled_at
        return max([waits_s, *pulse.lags]), stalled_s

    async def run(self) -> None:
        """Pings and looks, until it is cancelled."""
        last = self._clock()
        while True:
            await asyncio.sleep(PING_S)
            now = self._clock()
            if now - last > PING_S + OWN_LAG_S:
                self._forgive(now)
            last = now
            self.look(now)

    def look(self, now: float) -> None:
        """Pings those that have answered, and sees to those that have not."""
        for id, pulse in list(self._pulses.items()):
            if pulse.stalled_at is not None:
                self._look_at_stalled(id, pulse, now)
            elif pulse.asked_at is None:
                self._ping(pulse, now)
            elif now - pulse.asked_at >= LATE_S:
                pulse.stalled_at, pulse.ends_with = now, pulse.number
                self._counts.stalls += 1
                self._ledger.close(id, Shut.STALLED)
                self._spawn(self._begin(pulse), f"child {pulse.child.place} is stalled")

    def answered(self, child: Child, pong: Pong) -> bool:
        """Takes an answer; returns whether the child is open again by it."""
        pulse = self._pulses.get(child.id)
        if pulse is None:
            return False
        pulse.lags.append(pong.lag_s)
        if pong.number == pulse.number:
            pulse.asked_at = None
        if pulse.stalled_at is None or pong.number < pulse.ends_with:
            return False
        child.cells.clear_recalled(self._ledger.dropped(child.id))
        self._ledger.reopen(child.id, Shut.STALLED)
        stalled_s = self._clock() - pulse.stalled_at
        self._log.info(Event.CHILD_RECOVERED, child=child.place, pid=child.pid, stalled_s=round(stalled_s, 1))
        pulse.stalled_at = None
        return True

    def _ping(self, pulse: _Pulse, now: float) -> None:
        pulse.number += 1
        if pulse.asked_at is None:
            pulse.asked_at = now
        pulse.child.send(Ping(pulse.number, now))

    def _forgive(self, now: float) -> None:
        for pulse in self._pulses.values():
            if pulse.asked_at is not None:
                pulse.asked_at = now

    async def _begin(self, pulse: _Pulse) -> None:
        child = pulse.child
        found = processes.condition(child)
        moved = await self._move(pulse)
        stack = await self._stacks.of(child)
        self._log.warning(
            Event.CHILD_STALLED,
            child=child.place,
            pid=child.pid,
            process=found,
            moved=moved,
            running=len(self._ledger.cells_of(child.id)) if self._is_watched(pulse) else 0,
            stack=stack,
        )

    async def _move(self, pulse: _Pulse) -> int:
        """Takes away what the child has not started; returns how much that was."""
        child = pulse.child
        if pulse.moving or not self._is_watched(pulse) or not self._unstarted(pulse):
            return 0
        pulse.moving = True
        was_held = processes.condition(child) in HELD
        try:
            if not await processes.hold(child) or pulse.stalled_at is None or not self._is_watched(pulse):
                # It has ended, or answered, or waits in the kernel: in that case it is tried again.
                return 0
            # No await from here on: the child is held.
            cells = self._unstarted(pulse)
            child.cells.recall(cells)
        finally:
            pulse.moving = False
            if not was_held:
                # Else whoever holds it may want to go on doing so.
                processes.let_go(child)
        withdrawn = self._ledger.withdraw(child.id, cells)
        child.send(Recall(cells))
        self._ping(pulse, self._clock())
        pulse.ends_with = pulse.number
        self._returned(withdrawn)
        return len(withdrawn)

    def _look_at_stalled(self, id: int, pulse: _Pulse, now: float) -> None:
        assert pulse.stalled_at is not None
        stalled_s = now - pulse.stalled_at
        if self._unstarted(pulse):
            self._spawn(self._retry(pulse), f"move the work of child {pulse.child.place}")
        late = [cell for cell in self._ledger.cells_of(id) if self._is_late(pulse, cell, stalled_s)]
        if late:
            # Since when each runs is not known, but that it did when the child did not answer any more.
            self._overdue(id, late)
        elif stalled_s >= self._timeout_s:
            pulse.child.problem = (
                f"its event loop did not answer for {stalled_s + LATE_S:.0f} s (CURRANT_STALL_TIMEOUT_S)"
            )
            pulse.child.killed_for = Restart.STALLED
            pulse.child.kill()

    async def _retry(self, pulse: _Pulse) -> None:
        await self._move(pulse)

    def _is_late(self, pulse: _Pulse, cell: int, stalled_s: float) -> bool:
        execution = self._ledger.execution(pulse.child.id, cell)
        return (
            execution is not None
            and execution.timeout_s is not None
            and stalled_s >= execution.timeout_s + self._grace_s
            and pulse.child.is_started(cell)
        )

    def _unstarted(self, pulse: _Pulse) -> list[int]:
        child = pulse.child
        return [cell for cell in self._ledger.cells_of(child.id) if not child.is_started(cell)]

    def _is_watched(self, pulse: _Pulse) -> bool:
        return self._pulses.get(pulse.child.id) is pulse
