"""What people ask of a node while it works: drain and resume, another process for a child, an execution's end, another
level of the log."""

import asyncio
from collections.abc import Awaitable, Callable

from currant.backends import Ended
from currant.errors import CurrantError, DatabaseUnreachable
from currant.executions import Status
from currant.lines import LEVELS
from currant.names import ID_BYTES_MAX, stored_size
from currant.protocol.commands import (
    CancelReply,
    CancelRequest,
    DrainReply,
    DrainRequest,
    LogLevelReply,
    LogLevelRequest,
    RestartReply,
    RestartRequest,
    ResumeReply,
    ResumeRequest,
)
from currant.records import Cancelled
from currant.supervisor.cancels import Cancels
from currant.supervisor.child import Child, State
from currant.supervisor.children import Children
from currant.supervisor.events import Event, Log
from currant.supervisor.inspections import no_such_child
from currant.supervisor.ledger import Ledger
from currant.supervisor.lifecycle import NODE_ENDS, Lifecycle
from currant.supervisor.loglevel import LogLevel

ASKED = "currantctl restart"
#: How long the database may take for a cancel.
DATABASE_S = 5.0


class Operations:
    """Carries out what `currantctl` asks for. Whatever is refused raises CurrantError, which says why."""

    def __init__(
        self,
        lifecycle: Lifecycle,
        children: Children,
        ledger: Ledger,
        cancels: Cancels,
        *,
        recall_all: Callable[[], None],
        work_came: Callable[[], None],
        cancel: Callable[[list[str]], Awaitable[set[str]]],
        ended: Callable[[list[str]], Awaitable[list[Ended]]],
        boot_timeout_s: float,
        log: Log,
        log_level: LogLevel,
    ) -> None:
        """
        Args:
            recall_all: takes back from the children what has not started.
            work_came: told when the node may claim again.
            cancel: cancels executions in the database, and returns which of them had not ended.
            ended: returns which of these have ended, or are not there.
            boot_timeout_s: how long a child may take to be ready.
            log_level: of `log`, and of the children's.
        """
        self._lifecycle, self._children, self._ledger, self._cancels = lifecycle, children, ledger, cancels
        self._recall_all, self._work_came, self._cancel, self._ended = recall_all, work_came, cancel, ended
        self._boot_timeout_s, self._log, self._log_level = boot_timeout_s, log, log_level

    async def drain(self, _: DrainRequest) -> DrainReply:
        """Claims nothing any more, and stays."""
        self._lifecycle.check_working()
        already = self._lifecycle.drained
        if not already:
            self._lifecycle.drained = True
            self._log.info(Event.NODE_DRAINED, running=self._ledger.held)
            self._recall_all()
        return DrainReply(already, self._ledger.held, self._ledger.unsaved)

    async def resume(self, _: ResumeRequest) -> ResumeReply:
        """Claims again."""
        self._lifecycle.check_working()
        already = not self._lifecycle.drained
        if not already:
            self._lifecycle.drained = False
            self._log.info(Event.NODE_RESUMED)
            self._work_came()
        return ResumeReply(already)

    async def restart(self, request: RestartRequest) -> RestartReply:
        """Replaces a child, and returns when the other one is at work."""
        self._lifecycle.check_working()
        old = self._restartable(request.child)
        self._log.info(Event.RESTART_ASKED, child=old.place, pid=old.pid)
        self._children.retire(old.id, ASKED)
        new = await self._lifecycle.unless_ending(self._successor(old))
        if new is None:
            raise CurrantError(NODE_ENDS)
        assert new.pid is not None
        assert old.pid is not None
        return RestartReply(old.place, new.pid, old.pid)

    async def cancel(self, request: CancelRequest) -> CancelReply:
        """Cancels an execution: what this node holds at once, also when the database is away."""
        id = request.id
        if not 1 <= stored_size(id) <= ID_BYTES_MAX:
            raise CurrantError(f"no execution can have the id {id!a}")
        here = id in self._ledger.ids()
        self._log.info(Event.CANCEL_ASKED, execution=id, here=here)
        if here:
            self._cancels.asked({id})
        # Also of what is here: were its child to die now, it would run again.
        asked = asyncio.ensure_future(self._cancel_in_database(id))
        # It is not cancelled: on a connection that hangs, that takes longer than whoever asks waits.
        await asyncio.wait((asked,), timeout=DATABASE_S)
        if asked.done() and not isinstance(asked.exception(), DatabaseUnreachable):
            done, ended = asked.result()
            # It may have ended as cancelled before the database was asked to.
            done = done or (here and ended.get(id) == Status.CANCELLED)
            return CancelReply(here, Cancelled.of(id, done, ended))
        asked.add_done_callback(lambda future: future.exception())
        if not here:
            raise CurrantError(f"this node does not hold {id}, and the database does not answer: it is not cancelled")
        return CancelReply(True, Cancelled(id, True, Status.RUNNING, None))

    async def log_level(self, request: LogLevelRequest) -> LogLevelReply:
        """Logs from another level on, the children too. Raises ConfigurationError: there is none of this name."""
        before = self._log_level.name
        level = before if request.level is None else request.level
        if level != before:
            # Where the log says less from now on, this is said before.
            if level in LEVELS and self._log_level.admits(level):
                self._log.warning(Event.LEVEL_CHANGED, now=level, before=before)
                self._log_level.set(level)
            else:
                self._log_level.set(level)
                self._log.warning(Event.LEVEL_CHANGED, now=level, before=before)
        return LogLevelReply(level, before)

    async def _cancel_in_database(self, id: str) -> tuple[bool, dict[str, str | None]]:
        """Returns whether it had not ended before; and its status if it has now, or is not there."""
        done = id in await self._cancel([id])
        return done, {each.id: each.status for each in await self._ended([id])}

    def _restartable(self, number: int) -> Child:
        if not self._children.has_place(number):
            raise CurrantError(no_such_child(number, self._children))
        child = self._children.at(number)
        if child is None or child.state is not State.READY:
            raise CurrantError(f"child {number} is about to start: there is nothing to replace")
        if child.retiring is not None:
            raise CurrantError(f"child {number} is being replaced already: {child.retiring}")
        return child

    async def _successor(self, old: Child) -> Child:
        """Waits for another child at work in the place. Raises CurrantError: there is none in time, or no place."""
        number = old.place

        def is_replaced() -> bool:
            child = self._children.at(number)
            return not self._children.has_place(number) or (
                child is not None and child is not old and child.state is State.READY
            )

        try:
            async with asyncio.timeout(self._boot_timeout_s):
                await self._children.until(is_replaced)
        except TimeoutError:
            raise CurrantError(
                f"nothing was ready to replace child {number} within {self._boot_timeout_s:g} s: the log says why,"
                " the old one goes on, and it is tried again"
            ) from None
        new = self._children.at(number)
        if new is None:
            raise CurrantError(f"child {number} is not there any more: its place was closed meanwhile")
        return new
