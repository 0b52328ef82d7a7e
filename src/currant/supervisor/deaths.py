"""The ends of children: how each ended, who is told, and when its place is filled again."""

import asyncio
from collections.abc import Callable

from currant.supervisor.boots import Boots
from currant.supervisor.child import Child, Restart, State
from currant.supervisor.dismissal import Dismissal
from currant.supervisor.events import Event, Log
from currant.supervisor.places import Place, Places
from currant.supervisor.respawn import Respawn

#: How long after a child's end its exit status, or the last of what it sent, may take to arrive.
LAST_WORDS_S = 0.5
#: A child, or a fork server, that was ready for so long was well, also if it had nothing to do.
LONG_LIFE_S = 60.0


class Deaths:
    """Buries children, and has others started in their places."""

    def __init__(
        self,
        places: Places,
        *,
        boots: Boots,
        respawn: Respawn,
        dismissal: Dismissal,
        forget: Callable[[Child], None],
        describe: Callable[[int | None], str],
        died: Callable[[Child, str, bool], None],
        restarted: Callable[[Restart], None],
        want: Callable[[Place], None],
        is_stopping: Callable[[], bool],
        log: Log,
        clock: Callable[[], float],
    ) -> None:
        """
        Args:
            forget: lets go of what the child's process had.
            describe: says how a child ended, by its exit status; None: unknown.
            died: told of each end, with the reason, and whether that was the fork server's end and not the child's own.
            restarted: told of each child that is replaced, and why.
            want: asks for a child in a place.
            is_stopping: whether nobody is replaced any more.
        """
        self._places, self._boots, self._respawn, self._dismissal = places, boots, respawn, dismissal
        self._forget, self._died, self._want, self._is_stopping = forget, died, want, is_stopping
        self._describe, self._restarted = describe, restarted
        self._log, self._clock = log, clock

    async def bury(self, child: Child) -> None:
        """Waits a moment for the exit status and the last of what it sent, then reports the end and replaces it."""
        if child.state is State.ENDED:
            return
        was_booting = child.state is State.BOOTING
        child.state, child.ended_at = State.ENDED, self._clock()
        try:
            async with asyncio.timeout(LAST_WORDS_S):
                await child.drained.wait()
                await child.reported.wait()
        except TimeoutError:
            child.link.close()
        orphaned = child.status is None and child.generation.ended
        reason = child.problem or ("the fork server ended" if orphaned else self._describe(child.status))
        child.problem = reason
        proven = self._was_well(child)
        # Whoever tries it tells why it failed.
        failed_trial = was_booting and child.on_trial
        child.dismissed = child.dismissed or failed_trial
        self._forget(child)
        place = self._places.vacate(child.place, child.id)
        self._died(child, reason, orphaned)
        self._dismissal.ended(child, reason)
        if failed_trial:
            self._fill(place)
        elif child.replaced is not None:
            self._note_restart(place, child.killed_for or Restart.ASKED)
            self._log.warning(Event.CHILD_REPLACED, child=child.place, pid=child.pid, reason=child.replaced)
            self._fill(place)
        elif not child.dismissed and not self._is_stopping():
            if was_booting and not orphaned:
                self._boots.failed(reason)
            self._note_restart(place, Restart.BOOT if was_booting else child.killed_for or Restart.DIED)
            self._mourn(child, place, reason, proven=proven, orphaned=orphaned)

    def unborn(self, child: Child, reason: str) -> None:
        """The fork server could not fork it."""
        child.problem = reason
        self._forget(child)
        child.cells.close()
        place = self._places.vacate(child.place, child.id)
        if child.on_trial:
            self._fill(place)
        elif place is not None:
            self._note_restart(place, Restart.BOOT)
            self.restart(place, None, Event.CHILD_NOT_STARTED, reason)

    def restart(self, place: Place, pid: int | None, event: Event, reason: str, *, proven: bool = False) -> None:
        """Has a child started in a place whose child has failed: now or, after failures in a row, later.

        Args:
            event: tells it in the log.
            proven: it had been well before.
        """
        if self._is_stopping():
            return
        wait = self._respawn.died(place.number, self._clock(), proven=proven, places=len(self._places))
        place.resting = wait.resting
        asyncio.get_running_loop().call_later(wait.delay_s, self._want, place)
        self._log.warning(event, child=place.number, pid=pid, reason=reason, restart_in_s=round(wait.delay_s, 2))
        if wait.resting:
            self._log.error(Event.PLACE_RESTS, child=place.number, seconds=wait.delay_s)

    def _mourn(self, child: Child, place: Place | None, reason: str, *, proven: bool, orphaned: bool) -> None:
        """Tells the log of an end that nobody wanted, and has the child replaced."""
        event = Event.START_HOOK_FAILED if child.boot_failed else Event.CHILD_DIED
        if place is not None and not orphaned:
            self.restart(place, child.pid, event, reason, proven=proven)
            return
        # No fault of its place, or nobody's place.
        restart_in_s = None if place is None else 0.0
        self._log.warning(event, child=child.place, pid=child.pid, reason=reason, restart_in_s=restart_in_s)
        self._fill(place)

    def _note_restart(self, place: Place | None, why: Restart) -> None:
        if place is not None and not self._is_stopping():
            self._restarted(why)

    def _fill(self, place: Place | None) -> None:
        if place is not None:
            self._want(place)

    def _was_well(self, child: Child) -> bool:
        lived_s = 0.0 if child.ready_at is None else self._clock() - child.ready_at
        return lived_s >= LONG_LIFE_S or child.cells.any_started()
