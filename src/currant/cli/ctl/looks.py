"""Looking at a node again and again: each time its status, and the rates since the last time."""

import time
from collections.abc import Callable

import msgspec

from currant.cli.ctl.rates import Rates, rates
from currant.errors import CurrantError
from currant.protocol.status import StatusReply, StatusRequest

#: The database is asked what waits there at most so often, however often one looks.
ASK_DATABASE_S = 5.0


class Looks:
    """Knows the last look at a node."""

    def __init__(
        self, ask: Callable[[StatusRequest], StatusReply], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._ask, self._clock = ask, clock
        self._asked_at = float("-inf")
        self._last: StatusReply | None = None
        #: The last that was seen, and why nothing newer was; None: it is new.
        self.seen: tuple[StatusReply, Rates] | None = None
        self.trouble: str | None = None

    def look(self) -> tuple[StatusReply, Rates]:
        """Returns the status now, and the rates since the last call; at first, since the node's start.

        Raises CurrantError: nobody answers.
        """
        now = self._clock()
        asks_database = now - self._asked_at >= ASK_DATABASE_S
        reply = self._ask(StatusRequest(waiting=asks_database))
        if asks_database:
            self._asked_at = now
        elif self._last is not None and self._last.pid == reply.pid:
            kept = ("pending", "parked", "scheduled", "oldest_s", "count_max")
            reply = msgspec.structs.replace(reply, **{name: getattr(self._last, name) for name in kept})
        self.seen, self.trouble = (reply, rates(reply, self._last)), None
        self._last = reply
        return self.seen

    def look_again(self) -> None:
        """Looks as `look` does, and keeps what was seen last when nobody answers. Raises CurrantError before that."""
        try:
            self.look()
        except CurrantError as error:
            if self.seen is None:
                raise
            self.trouble = str(error)
