"""The node's only LISTEN: a readable socket becomes a wake-up."""

import asyncio
from collections.abc import Awaitable, Callable, Collection

from currant.errors import DatabaseError, DatabaseUnreachable
from currant.store.channels import PAUSE, Subscription
from currant.store.connections import Backoff

#: What a notification of the node's own says of a running execution, before its id; see cancel.sql.
CANCEL = "cancel "


class Listener:
    """Listens, and listens again after a loss. No statement runs here while it is idle."""

    def __init__(
        self,
        *,
        subscribe: Callable[[], Awaitable[Subscription]],
        own_channel: Callable[[], str],
        notified: Callable[[Collection[str]], None],
        paused: Callable[[], None],
        cancelled: Callable[[set[str]], None],
        listening: Callable[[], None],
        lost: Callable[[str], None],
        regained: Callable[[float], None],
    ) -> None:
        """
        Args:
            subscribe: connects and listens; raises DatabaseError.
            own_channel: where the tick's probe comes in.
            notified: gets the channels that were notified, other than the node's own.
            paused: somebody has paused or resumed a queue.
            cancelled: gets the ids of executions that ran here when someone cancelled them.
            listening: called once after each LISTEN: what was sent before is lost.
            lost, regained: the loss with its reason; its end, with the seconds between.
        """
        self._subscribe, self._own_channel = subscribe, own_channel
        self._backoff = Backoff()
        self._lost_at: float | None = None
        self._notified, self._lost, self._regained = notified, lost, regained
        self._paused, self._cancelled, self._on_listening = paused, cancelled, listening
        self._broken: asyncio.Event = asyncio.Event()
        self._reason: str | None = None
        #: The descriptor that the loop watches.
        self._fd: int | None = None
        self._echoes = 0
        #: How many have been heard, those of a channel that came together as one, and the probe's not.
        self.notifications = 0
        self._listening = False

    @property
    def echoes(self) -> int | None:
        """How many of the tick's probes have come back; None while it is not listening."""
        return self._echoes if self._listening else None

    async def run(self) -> None:
        """Listens until it is cancelled."""
        while True:
            subscription = await self._connect()
            self._broken.clear()
            self._watch(subscription)
            # The next probe of the tick's is the first that must come back.
            self._listening = True
            try:
                self._on_listening()
                await self._broken.wait()
            finally:
                self._listening = False
                self._watch_no_more()
                subscription.close()
            if self._reason is not None:
                self._lose(self._reason)

    def renew(self, reason: str | None) -> None:
        """Drops the connection and makes another; `reason`: why it is lost, or None when it is not."""
        self._reason = reason
        self._broken.set()

    async def _connect(self) -> Subscription:
        while True:
            try:
                subscription = await self._subscribe()
            except DatabaseError as error:
                # Also a refusal: the server let the other connections in.
                self._lose(str(error))
                await self._backoff.pause()
                continue
            self._backoff.reset()
            if self._lost_at is not None:
                self._regained(asyncio.get_running_loop().time() - self._lost_at)
                self._lost_at = None
            return subscription

    def _lose(self, reason: str) -> None:
        if self._lost_at is None:
            self._lost_at = asyncio.get_running_loop().time()
        self._lost(reason)

    def _watch(self, subscription: Subscription) -> None:
        self._fd = subscription.fileno()
        asyncio.get_running_loop().add_reader(self._fd, self._readable, subscription)

    def _watch_no_more(self) -> None:
        if self._fd is not None:
            asyncio.get_running_loop().remove_reader(self._fd)
            self._fd = None

    def _readable(self, subscription: Subscription) -> None:
        try:
            channels = subscription.receive()
        except DatabaseUnreachable as error:
            # At once: libpq has closed the socket, and whoever opens something next may be given its descriptor.
            self._watch_no_more()
            self.renew(str(error))
            return
        own = self._own_channel()
        if own in channels:
            self._echoes += 1
            cancelled = {each.removeprefix(CANCEL) for each in channels.pop(own) if each.startswith(CANCEL)}
            if cancelled:
                self.notifications += 1
                self._cancelled(cancelled)
        if any(PAUSE in payloads for payloads in channels.values()):
            self._paused()
        self.notifications += len(channels)
        if channels:
            self._notified(channels)
