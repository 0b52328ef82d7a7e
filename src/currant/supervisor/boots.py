"""The boots of children, from the request for a fork to the Hello: their deadline, and what is said of failures."""

import asyncio
from collections.abc import Callable

from currant.protocol.work import BootFailed
from currant.supervisor.child import Child, State
from currant.supervisor.ears import Ears
from currant.supervisor.events import Event, Log
from currant.supervisor.respawn import BOOT_FAILURES_MAX, BOOT_FAILURES_S, BootFailures


class Boots:
    """Watches the boots of children, and knows whether the node is degraded by them."""

    def __init__(
        self, *, timeout_s: float, hopeless: Callable[[str], None], ears: Ears, log: Log, clock: Callable[[], float]
    ) -> None:
        """
        Args:
            timeout_s: a child that is not ready by then is killed.
            hopeless: told why, in place of the ears, when boots fail before any child of the node was ready.
        """
        self._timeout_s, self._hopeless, self._ears = timeout_s, hopeless, ears
        self._log, self._clock = log, clock
        self._failures = BootFailures()
        self._one_was_ready = False
        #: What failed and has been told with its traceback.
        self._told: str | None = None
        self._degraded = False

    def begin(self, child: Child) -> None:
        """A fork is asked for."""
        child.boot_timer = asyncio.get_running_loop().call_later(self._timeout_s, self._late, child)

    def ready(self, child: Child) -> None:
        """It said Hello."""
        child.state, child.ready_at = State.READY, self._clock()
        self._one_was_ready, self._told = True, None
        self._failures.succeeded()
        self.stop(child)
        self._recover()

    def stop(self, child: Child) -> None:
        """There is nothing to wait for any more."""
        if child.boot_timer is not None:
            child.boot_timer.cancel()

    def take_failure(self, child: Child, failure: BootFailed) -> None:
        """It said why it cannot work, and ends. The traceback is told once, until a child is ready or says another."""
        child.boot_failed, child.problem = True, failure.message
        text = f"{failure.message}\n\n{failure.traceback.rstrip()}"
        if child.on_trial:
            child.problem = text
            return
        if self._told != text:
            self._told = child.problem = text
        if not self._one_was_ready:
            # The others will say the same: once is enough.
            self._hopeless(text)

    def failed(self, reason: str) -> None:
        """A child ended before it was ready."""
        if not self._failures.failed(self._clock()):
            return
        text = f"{BOOT_FAILURES_MAX} children in {BOOT_FAILURES_S:g} s ended before they were ready, the last: {reason}"
        if self._one_was_ready:
            self._degrade(text)
        else:
            self._hopeless(text)

    def cannot_import(self, error: str) -> None:
        """A new fork server cannot be had; the same is told once."""
        if self._told != error:
            self._told = error
            self._log.error(Event.IMPORT_FAILED, error=error)
        self._degrade("the modules cannot be imported: the log says why")

    def _degrade(self, reason: str) -> None:
        """Children cannot be started, for this reason: told once."""
        if not self._degraded:
            self._log.error(Event.DEGRADED, reason=reason)
        self._degraded = True
        self._ears.degraded(reason)

    def _recover(self) -> None:
        """Children can be started again."""
        if self._degraded:
            self._degraded = False
            self._log.info(Event.RECOVERED)
            self._ears.recovered()

    def _late(self, child: Child) -> None:
        if child.state is not State.BOOTING:
            return
        child.problem = f"not ready, start hooks included, within {self._timeout_s:g} s (CURRANT_BOOT_TIMEOUT_S)"
        child.kill()
        if child.pidfd is None:
            # It was not even forked: its fork server hangs.
            child.generation.server.kill()
