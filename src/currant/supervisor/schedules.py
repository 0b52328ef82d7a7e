"""Schedules: each node that knows a function fires it; its row lets one of them do so for each moment."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence

from currant.cron import next_after
from currant.errors import ConfigurationError, DatabaseUnreachable, StatementRefused
from currant.protocol.control import Schedule
from currant.store.connections import Backoff
from currant.store.schedules import Found, Plan
from currant.supervisor.tick import TICK_S

#: How long it sleeps at most before it looks at the database's clock, as the ticks tell it, again.
LOOK_S = 60.0
#: So long at most a moment is waited for by what the last statement said of the database's clock.
NEAR_S = 5.0
#: When a row is looked at again that someone else held, most likely another node that fired it.
LOCKED_S = 0.25


class Scheduler:
    """Sleeps from moment to moment. What is missed meanwhile, however often, is run once, at once."""

    def __init__(
        self,
        *,
        sync: Callable[[Sequence[Plan], Sequence[Schedule]], Awaitable[Found]],
        fire: Callable[[Sequence[Plan], Sequence[float]], Awaitable[Found]],
        now: Callable[[], float],
        refused: Callable[[str], None],
    ) -> None:
        """
        Args:
            sync: makes the node's schedules known.
            fire: fires those that are due and as they were, with their following moments.
            now: the database's clock, in Unix time; a little ahead of it at most, never behind.
            refused: told why the database refuses a statement, or why a schedule cannot be understood.
        """
        self._sync, self._fire, self._now, self._refused = sync, fire, now, refused
        self._schedules: list[Schedule] = []
        #: As the rows say, which is what the node that started last has said.
        self._plans: dict[str, Plan] = {}
        #: Of functions whose rows were locked, in Unix time.
        self._not_before: dict[str, float] = {}
        self._stale = asyncio.Event()
        #: What the modules say is not in the database yet.
        self._unsaid = False
        self._backoff = Backoff()

    def know(self, schedules: Sequence[Schedule]) -> None:
        """Takes what the modules say, from now on: at the start and after a reload."""
        self._schedules = list(schedules)
        self._unsaid = True
        self._stale.set()

    @property
    def functions(self) -> list[str]:
        """Those whose rows the tick is to watch."""
        return list(self._plans)

    def told(self, next_s: float | None) -> None:
        """The tick has seen the first moment of all: another one than we wait for is somebody else's doing."""
        if self._plans and next_s != min(each.next_s for each in self._plans.values()):
            self._stale.set()

    async def run(self) -> None:
        """Fires until it is cancelled."""
        while True:
            if self._unsaid:
                self._unsaid = False
                self._stale.clear()
                self._plans.clear()
                if self._schedules:
                    await self._ask(self._say)
            elif self._plans:
                await self._sleep()
                if not self._unsaid:
                    await self._ask(self._fire_due)
            else:
                self._stale.clear()
                await self._stale.wait()

    async def _sleep(self) -> None:
        """Returns when a schedule is due, or the tick says that we are not up to date."""
        while not self._stale.is_set() and (wait_s := self._first_s() - self._now()) > 0:
            await self._pause(min(wait_s, LOOK_S))

    async def _pause(self, seconds: float) -> None:
        """Waits so long, or until the tick says that we are not up to date."""
        try:
            async with asyncio.timeout(seconds):
                await self._stale.wait()
        except TimeoutError:
            pass

    async def _say(self) -> None:
        now_s = self._now()
        plans = [
            Plan(each.execution.function, each.cron, each.timezone, next_after(each.cron, each.timezone, now_s))
            for each in self._schedules
        ]
        await self._take(await self._sync(plans, self._schedules))

    async def _fire_due(self) -> None:
        now_s = self._now()
        stale = self._stale.is_set()
        self._stale.clear()
        asked = [each for each in self._plans.values() if stale or self._due_s(each) <= now_s]
        following = {}
        for plan in asked:
            try:
                following[plan] = _following(plan, now_s)
            except ConfigurationError as error:
                # Another node's, whose Currant or whose time zones are not ours: it fires that one itself.
                self._refused(f"the schedule of {plan.function} is left to other nodes: {error}")
                del self._plans[plan.function]
        if not following:
            return
        found = await self._fire(list(following), list(following.values()))
        for plan in following:
            # What is not there any more has been removed.
            del self._plans[plan.function]
        await self._take(found)

    async def _take(self, found: Found) -> None:
        if found.clock_s is None:
            return
        self._plans |= {each.function: each for each in found.plans}
        self._not_before = dict.fromkeys(found.locked, found.clock_s + LOCKED_S)
        # Our clock may be ahead of the database's, which would be asked in vain then, again and again.
        await self._pause(min(max(0.0, self._first_s() - found.clock_s), NEAR_S))

    async def _ask(self, statement: Callable[[], Awaitable[None]]) -> None:
        """Repeats it until it succeeds, each time with the moments of that time: an outage is caught up with once."""
        while True:
            try:
                await statement()
                self._backoff.reset()
                return
            except DatabaseUnreachable:
                await self._backoff.pause()
            except StatementRefused as error:
                self._refused(str(error))
                await asyncio.sleep(TICK_S)

    def _first_s(self) -> float:
        return min(map(self._due_s, self._plans.values()), default=math.inf)

    def _due_s(self, plan: Plan) -> float:
        return max(plan.next_s, self._not_before.get(plan.function, -math.inf))


def _following(plan: Plan, now_s: float) -> float:
    """Returns the moment after this one that is yet to come: those between the two are missed, and run as one."""
    if plan.next_s == math.inf:
        return math.inf
    return next_after(plan.cron, plan.timezone, max(now_s, plan.next_s))
