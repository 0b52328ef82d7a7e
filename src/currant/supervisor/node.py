"""A node's way through its phases: it boots, works until it is asked to end, and ends."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from currant.errors import DatabaseUnreachable, HookFailed
from currant.supervisor.children import Children
from currant.supervisor.code import Code
from currant.supervisor.control import ControlServer
from currant.supervisor.database import Database
from currant.supervisor.drain import Drain
from currant.supervisor.events import Event, Log
from currant.supervisor.forkserver import ForkServer
from currant.supervisor.lifecycle import Lifecycle
from currant.supervisor.membership import Membership
from currant.supervisor.report import Connections
from currant.supervisor.tasks import Tasks

#: At the end: how long the database may take to cancel the statements that are under way.
CANCEL_STATEMENTS_S = 0.5


class Node:
    """Starts the parts, and ends them."""

    def __init__(
        self,
        lifecycle: Lifecycle,
        tasks: Tasks,
        children: Children,
        database: Database,
        *,
        connections: Connections,
        membership: Membership,
        code: Code,
        control: ControlServer,
        drain: Drain,
        parts: Mapping[str, Callable[[], Coroutine[Any, Any, None]]],
        log: Log,
    ) -> None:
        """`parts`: by their names, what runs as long as the node does."""
        self._lifecycle, self._tasks, self._children, self._database = lifecycle, tasks, children, database
        self._connections, self._membership, self._code = connections, membership, code
        self._control, self._drain, self._parts, self._log = control, drain, parts, log
        self._first_child = asyncio.Event()
        self._hook_failure: HookFailed | None = None

    async def run(self, fork_server: ForkServer) -> None:
        """Runs until the end is asked for, and over.

        Raises:
            ModuleImportFailed, HookFailed, ConfigurationError, DatabaseError, SchemaError: it cannot start.
            StatementRefused: the database has become another one under it.
        """
        try:
            if await self._boot(fork_server):
                await self._tasks.run({name: part() for name, part in self._parts.items()}, self._work())
        except BaseExceptionGroup as group:
            # Of the parts one failed first, and that is the reason; a mistake of ours keeps its traceback.
            raise group.exceptions[0] from None
        finally:
            self._lifecycle.stopped()
            await self._children.stop()
            await self._control.stop()
            await self._database.close()

    def child_ready(self) -> None:
        """A child is ready for work: so is the node."""
        self._first_child.set()

    def start_failed(self, text: str) -> None:
        """No child will ever be ready, as the text says."""
        self._hook_failure = HookFailed(text)
        self._first_child.set()

    async def _boot(self, fork_server: ForkServer) -> bool:
        """Waits for the modules and for the database; returns whether there is something to do then."""
        hello = await self._lifecycle.unless_ending(self._children.start(fork_server))
        if hello is None:
            return False
        self._code.begin(hello)
        return bool(await self._lifecycle.unless_ending(self._connect()))

    async def _connect(self) -> bool:
        told = False
        while True:
            try:
                await self._database.check()
                break
            except DatabaseUnreachable as error:
                if not told:
                    self._log.warning(Event.WAITING_FOR_DATABASE, reason=str(error))
                    told = True
                await self._database.pause_claims()
        await self._membership.register()
        self._connections.silent = False
        return True

    async def _work(self) -> None:
        self._membership.record()
        self._children.fork_all()
        await self._control.start()
        if await self._lifecycle.unless_ending(self._first_child.wait()):
            if self._hook_failure is None:
                self._lifecycle.started()
            else:
                self._lifecycle.ask_drain("a start hook failed")
        await self._lifecycle.until_ending()
        await self._drain.run()
        if self._hook_failure is not None:
            raise self._hook_failure
        # Of a statement that is cancelled the driver waits until the server has let it go.
        asyncio.get_running_loop().call_later(CANCEL_STATEMENTS_S, self._database.cut)
