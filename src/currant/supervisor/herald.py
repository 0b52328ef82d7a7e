"""What the service manager is told of the node: its phases, one line of figures, and that it is well.

A node is well while this loop turns and its database work does not hang. A database that is away hangs nothing: every
statement has a limit, ends there, and is tried again. What goes on beyond its limit, nothing but a restart ends.
"""

import asyncio
import math
from collections.abc import Callable

from currant.supervisor import notify
from currant.supervisor.events import Event, Log
from currant.supervisor.lifecycle import ENDING, Phase
from currant.supervisor.notify import Notifier

#: How often the figures are told, when they have changed.
STATUS_S = 5.0
#: By how much a timeout is extended each time: for a loop that is late by less, nothing is lost.
EXTENSION_S = 30.0
#: In which the service manager would lose patience. Each step of them is bounded here, too.
_SLOW = ENDING | {Phase.STARTING, Phase.RELOADING}


class Herald:
    """Tells a service manager; without one, nothing."""

    def __init__(
        self,
        notifier: Notifier | None,
        *,
        watchdog_s: float | None,
        headline: Callable[[], str],
        hung: Callable[[], str | None],
        log: Log,
    ) -> None:
        """
        Args:
            watchdog_s: after so long without a word the service manager restarts the node; None for never.
            headline: returns the line of figures.
            hung: says what part of the database work hangs; None when none does.
        """
        self._notifier, self._watchdog_s = notifier, watchdog_s
        self._headline, self._hung, self._log = headline, hung, log
        self._phase = Phase.STARTING
        self._told = ""
        self._suspected: str | None = None
        self._hanging: str | None = None

    def announce(self, before: Phase, now: Phase) -> None:
        """A transition has been made."""
        self._phase = now
        if now is Phase.RELOADING:
            self._tell(notify.reloading())
        elif now in ENDING and before not in ENDING:
            self._tell(notify.stopping())
        elif before in (Phase.STARTING, Phase.RELOADING) and now not in ENDING:
            self._tell(notify.ready())
        elif now is not Phase.STOPPED:
            self._tell({})

    async def run(self) -> None:
        """Turns until it is cancelled, if there is anybody to tell."""
        if self._notifier is None:
            return
        # Half of the watchdog's time, as sd_watchdog_enabled(3) recommends.
        period_s = min(STATUS_S, (self._watchdog_s or math.inf) / 2)
        while True:
            self._turn()
            await asyncio.sleep(period_s)

    def close(self) -> None:
        if self._notifier is not None:
            self._notifier.close()

    def _turn(self) -> None:
        signs: dict[str, str | int] = {}
        if self._is_well():
            if self._watchdog_s is not None:
                signs |= notify.alive()
            if self._phase in _SLOW:
                signs |= notify.extend(EXTENSION_S)
        self._tell(signs)

    def _is_well(self) -> bool:
        suspected, self._suspected = self._suspected, self._hung()
        # Twice in a row: when somebody has stopped the process, everything is late for the moment after it.
        hanging = self._suspected if suspected else None
        if hanging and not self._hanging:
            self._log.error(Event.HUNG, part=hanging)
        self._hanging = hanging
        return hanging is None

    def _tell(self, signs: dict[str, str | int]) -> None:
        """Sends these, and the headline when it is a new one."""
        if self._notifier is None:
            return
        headline = self._headline()
        if headline != self._told:
            signs = {**signs, "STATUS": headline}
            self._told = headline
        self._notifier.send(**signs)
