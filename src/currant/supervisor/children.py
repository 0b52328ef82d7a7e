"""The table of children: one place each, a process in it, and what happens when that ends."""

import asyncio
import contextlib
import enum
import os
import signal
import socket
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any

from currant.errors import ModuleImportFailed, ProtocolError
from currant.protocol.cells import Cells, create
from currant.protocol.control import Exited, Forked, ForkFailed, ServerHello
from currant.protocol.work import BootFailed, FromChild, Hello, ToChild
from currant.supervisor.dismissal import Dismissal
from currant.supervisor.events import Event, Log
from currant.supervisor.forkserver import ForkServer, describe_status
from currant.supervisor.link import Link

RESTART_S = (0.1, 30.0)
FORKS_MAX = 16
#: How long after a child's end its exit status, or the last of what it sent, may take to arrive.
LAST_WORDS_S = 0.5


class State(enum.StrEnum):
    """Of a child: BOOTING until its Hello, READY for work, ENDED when its process is gone."""

    BOOTING = "booting"
    READY = "ready"
    ENDED = "ended"


@dataclass
class Child:
    """A child's process, or one that is being forked. Its name is its place, from 0."""

    name: int
    cells: Cells
    link: Link
    state: State = State.BOOTING
    pid: int | None = None
    pidfd: int | None = None
    status: int | None = None
    reported: asyncio.Event = field(default_factory=asyncio.Event)
    drained: asyncio.Event = field(default_factory=asyncio.Event)
    problem: str | None = None
    hook_failed: bool = False
    #: A drain has ended it: what it still ran has not crashed.
    dismissed: bool = False
    #: Why we ended it to start another in its place: that is no death.
    replaced: str | None = None
    boot_timer: asyncio.TimerHandle | None = None

    def send(self, message: ToChild) -> None:
        self.link.send(message)

    @property
    def unread_bytes(self) -> int:
        return self.link.unread_bytes

    def clear(self, cells: list[int]) -> None:
        self.cells.clear(cells)

    def is_started(self, cell: int) -> bool:
        return self.cells.is_started(cell)

    def kill(self) -> None:
        """Ends the process by its pidfd, which cannot mean another process."""
        if self.pidfd is not None:
            try:
                signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
            except ProcessLookupError:
                pass


class Children:
    """Keeps `procs` children running."""

    def __init__(
        self,
        *,
        procs: int,
        boot_timeout_s: float,
        frame_bytes_max: int,
        start_fork_server: Callable[[], ForkServer],
        ready: Callable[[Child], None],
        received: Callable[[Child, FromChild], None],
        died: Callable[[Child, str, bool], None],
        hopeless: Callable[[str], None],
        log: Log,
        random: Callable[[], float],
    ) -> None:
        """
        Args:
            ready: a child is ready for work.
            received: a child sent something.
            died: a child is gone, with the reason, and whether that was the fork server's end and not its own.
            hopeless: a start hook failed, as the text says, before any child was ready. No child is started any more.
        """
        self._procs, self._boot_timeout_s, self._frame_bytes_max = procs, boot_timeout_s, frame_bytes_max
        self._start_fork_server = start_fork_server
        self._ready, self._received, self._died, self._hopeless = ready, received, died, hopeless
        self._log, self._random = log, random
        self._children: dict[int, Child] = {}
        #: Places that are to be filled, and those whose fork is asked for and not reported yet.
        self._wanted: deque[int] = deque()
        self._forking: set[int] = set()
        self._server: ForkServer | None = None
        self._failures: dict[int, int] = {}
        self._stopping = False
        self._one_was_ready = False
        #: What failed in a start hook and has been told.
        self._told: str | None = None
        self._has_stop_hooks = self._dismissing = False
        self.dismissal = Dismissal(log)
        self._tasks: set[asyncio.Task[None]] = set()

    def __getitem__(self, name: int) -> Child:
        return self._children[name]

    def __iter__(self) -> Iterator[Child]:
        return iter(self._children.values())

    async def start(self, server: ForkServer) -> ServerHello:
        """Waits for the fork server's modules; `fork_all` then starts the children.

        Raises:
            ModuleImportFailed: they cannot be imported.
        """
        try:
            hello = await self._attach(server)
        except BaseException:
            await server.close()
            raise
        self._server = server
        return hello

    def fork_all(self) -> None:
        for name in range(self._procs):
            self._fork(name)

    async def stop(self) -> None:
        """Ends the fork server and all children at once."""
        self._stopping = True
        for task in self._tasks:
            task.cancel()
        if self._server is not None:
            await self._server.close()
        for child in list(self._children.values()):
            self._forget(child)

    def replace(self, name: int, reason: str) -> None:
        """Ends a child to start another in its place, at once: it has not failed."""
        child = self._children[name]
        child.replaced = reason
        child.kill()

    def never_mind(self) -> None:
        """From now on, children that end are not replaced."""
        self._stopping = True

    def dismiss_all(self) -> None:
        """Asks those that are ready, and hold nothing any more, for their end, if they have stop hooks to run.

        They are not replaced; `dismissal` tells when they have ended.
        """
        self._stopping = self._dismissing = True
        for child in self._children.values():
            self._dismiss(child)

    def _dismiss(self, child: Child) -> None:
        if self._has_stop_hooks and child.state is State.READY:
            self.dismissal.ask(child)

    async def _attach(self, server: ForkServer) -> ServerHello:
        hello = await server.attach(
            boot_timeout_s=self._boot_timeout_s,
            forked=self._take_forked,
            message=self._take_message,
            ended=lambda: self._server_ended(server),
        )
        self._has_stop_hooks = hello.stop_hooks
        return hello

    def _fork(self, name: int) -> None:
        """Asks for a child in a place; at most FORKS_MAX at a time, for the fork server's socket holds only so many."""
        if self._stopping or name in self._children or name in self._wanted:
            return
        self._wanted.append(name)
        self._fork_some()

    def _fork_some(self) -> None:
        while self._server is not None and self._wanted and len(self._forking) < FORKS_MAX:
            name = self._wanted.popleft()
            try:
                self._ask_for(name)
            except OSError as error:
                # Out of descriptors, or of memory: later, perhaps.
                self._restart(name, None, Event.CHILD_NOT_STARTED, f"cannot make its socket: {error.strerror}")

    def _ask_for(self, name: int) -> None:
        """Raises OSError when the system refuses what the child needs; nothing is left of it then."""
        assert self._server is not None
        with contextlib.ExitStack() as undo:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
            undo.callback(theirs.close)
            with contextlib.ExitStack() as undo_on_error:
                undo_on_error.callback(ours.close)
                memory = create()
                undo.callback(os.close, memory)
                cells = Cells(memory)
                undo_on_error.pop_all()
            link = Link(
                frame_bytes_max=self._frame_bytes_max,
                received=lambda message: self._take(child, message),
                closed=lambda problem: self._link_closed(child, problem),
            )
            child = Child(name, cells, link)
            self._children[name] = child
            self._forking.add(name)
            self._server.fork(name, [theirs.fileno(), memory])
        self._spawn(self._connect(child, ours), f"connect child {name}")
        loop = asyncio.get_running_loop()
        child.boot_timer = loop.call_later(self._boot_timeout_s, self._boot_late, child)

    async def _connect(self, child: Child, ours: socket.socket) -> None:
        ours.setblocking(False)
        await asyncio.get_running_loop().create_connection(lambda: child.link, sock=ours)

    def _take(self, child: Child, message: FromChild) -> None:
        if isinstance(message, Hello | BootFailed) and child.state is not State.BOOTING:
            raise ProtocolError(f"a {type(message).__name__} comes from a child that is {child.state}")
        if isinstance(message, Hello):
            self._failures.pop(child.name, None)
            child.state = State.READY
            self._one_was_ready, self._told = True, None
            if child.boot_timer is not None:
                child.boot_timer.cancel()
            self._ready(child)
            if self._dismissing:
                self._dismiss(child)
        elif isinstance(message, BootFailed):
            self._take_boot_failure(child, message)
        else:
            self._received(child, message)

    def _take_boot_failure(self, child: Child, failure: BootFailed) -> None:
        child.hook_failed, child.problem = True, failure.message
        text = f"{failure.message}\n\n{failure.traceback.rstrip()}"
        if self._told != text:
            self._told = child.problem = text
        if not self._one_was_ready and not self._stopping:
            # The others will say the same: once is enough.
            self._stopping = True
            self._hopeless(text)

    def _take_forked(self, message: Forked, pidfd: int) -> None:
        self._forking.discard(message.child)
        self._fork_some()
        child = self._children.get(message.child)
        if child is None or child.pidfd is not None:
            os.close(pidfd)
            return
        child.pid, child.pidfd = message.pid, pidfd
        asyncio.get_running_loop().add_reader(pidfd, self._ended, child)

    def _take_message(self, message: ForkFailed | Exited) -> None:
        child = self._children.get(message.child)
        if child is None:
            return
        if isinstance(message, ForkFailed):
            self._forking.discard(message.child)
            self._forget(child)
            self._restart(child.name, None, Event.CHILD_NOT_STARTED, f"cannot fork: {message.message}")
        elif child.pid == message.pid:
            child.status = message.status
            child.reported.set()

    def _link_closed(self, child: Child, problem: str | None) -> None:
        child.problem = child.problem or problem
        child.drained.set()
        if child.state is not State.ENDED:
            if problem is not None:
                self._log.error(Event.BAD_FRAME, child=child.name, reason=problem)
            # Without its socket it is of no use, whatever it still does.
            child.kill()

    def _boot_late(self, child: Child) -> None:
        if child.state is State.BOOTING:
            child.problem = (
                f"not ready, start hooks included, within {self._boot_timeout_s:g} s (CURRANT_BOOT_TIMEOUT_S)"
            )
            child.kill()
            if child.pidfd is None and self._server is not None:
                # It was not even forked: its fork server hangs.
                self._server.kill()

    def _ended(self, child: Child) -> None:
        assert child.pidfd is not None
        asyncio.get_running_loop().remove_reader(child.pidfd)
        self._spawn(self._bury(child), f"bury child {child.name}")

    async def _bury(self, child: Child) -> None:
        """Waits a moment for the exit status and the last of what it sent, then reports the death and replaces it."""
        if child.state is State.ENDED:
            return
        child.state = State.ENDED
        server = self._server
        try:
            async with asyncio.timeout(LAST_WORDS_S):
                await child.drained.wait()
                await child.reported.wait()
        except TimeoutError:
            child.link.close()
        orphaned = child.status is None and (server is None or self._server is not server)
        reason = child.problem or ("the fork server ended" if orphaned else describe_status(child.status))
        self._forget(child)
        self._died(child, reason, orphaned)
        self.dismissal.ended(child, reason)
        if child.replaced is None:
            event = Event.START_HOOK_FAILED if child.hook_failed else Event.CHILD_DIED
            self._restart(child.name, child.pid, event, reason)
        else:
            self._log.warning(Event.CHILD_REPLACED, child=child.name, pid=child.pid, reason=child.replaced)
            self._fork(child.name)

    def _restart(self, name: int, pid: int | None, event: Event, reason: str) -> None:
        if self._stopping:
            return
        failures = self._failures.get(name, 0)
        self._failures[name] = failures + 1
        # The first time at once: a child that was well is replaced without delay.
        low, high = RESTART_S
        delay_s = min(high, low * 2.0**failures) * (0.5 + self._random() / 2) if failures else 0.0
        asyncio.get_running_loop().call_later(delay_s, self._fork, name)
        self._log.warning(event, child=name, pid=pid, reason=reason, restart_in_s=round(delay_s, 2))

    def _forget(self, child: Child) -> None:
        if self._children.get(child.name) is child:
            del self._children[child.name]
        if child.boot_timer is not None:
            child.boot_timer.cancel()
        child.link.close()
        child.state = State.ENDED
        if child.pidfd is not None:
            asyncio.get_running_loop().remove_reader(child.pidfd)
            os.close(child.pidfd)
            child.pidfd = None

    def _server_ended(self, server: ForkServer) -> None:
        if self._server is server and not self._stopping:
            self._server = None
            self._forking.clear()
            self._log.error(Event.FORK_SERVER_DIED, reason="it ended by itself or was killed")
            for child in list(self._children.values()):
                if child.pidfd is None:
                    # Nothing will tell of its end: it was never forked, or the word of it was lost.
                    self._spawn(self._bury(child), f"bury child {child.name}")
            self._spawn(self._replace_server(), "replace fork server")

    async def _replace_server(self) -> None:
        failures = 0
        while not self._stopping:
            server = None
            try:
                server = self._start_fork_server()
                await self._attach(server)
            except (ModuleImportFailed, OSError) as error:
                self._log.error(Event.IMPORT_FAILED, error=str(error))
                if server is not None:
                    await server.close()
                low, high = RESTART_S
                await asyncio.sleep(min(high, low * 2.0**failures))
                failures += 1
                continue
            self._server = server
            self.fork_all()
            self._fork_some()
            return

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
