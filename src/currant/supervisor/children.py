"""The table of children: who stands in which place, and what happens when one ends."""

import asyncio
import contextlib
import os
import socket
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from currant.errors import ModuleImportFailed, ProtocolError
from currant.protocol.cells import Cells, create
from currant.protocol.control import Exited, Forked, ForkFailed, ServerHello
from currant.protocol.work import BootFailed, FromChild, Hello
from currant.supervisor.boots import Boots
from currant.supervisor.child import Child, State
from currant.supervisor.dismissal import Dismissal
from currant.supervisor.ears import Ears
from currant.supervisor.events import Event, Log
from currant.supervisor.forkserver import ForkServer, describe_status
from currant.supervisor.generations import Generation, Generations
from currant.supervisor.link import Link
from currant.supervisor.places import Place, Places, Role
from currant.supervisor.respawn import RESTART_S, Respawn

#: How long after a child's end its exit status, or the last of what it sent, may take to arrive.
LAST_WORDS_S = 0.5
#: The fork server's own, for the waits between its deaths.
SERVER_PLACE = -1
#: A child that was ready for so long was well, also if it had nothing to do.
LONG_LIFE_S = 60.0
CLOSED = "its place is closed"
#: How long a child that was replaced may run its stop hooks before it is killed.
STOP_HOOKS_S = 5.0


class Children:
    """Keeps a child in each place."""

    def __init__(
        self,
        *,
        procs: int,
        boot_timeout_s: float,
        frame_bytes_max: int,
        start_fork_server: Callable[[], ForkServer],
        ears: Ears,
        log: Log,
        clock: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        self._frame_bytes_max, self._ears, self._log, self._clock = frame_bytes_max, ears, log, clock
        self._children: dict[int, Child] = {}
        self._places = Places()
        for _ in range(procs):
            self._places.open(Role.WORK)
        self._last_id = -1
        #: The places that are to be filled, in this order.
        self._wanted: deque[Place] = deque()
        self._generations = Generations(
            start=start_fork_server,
            boot_timeout_s=boot_timeout_s,
            forked=self._take_forked,
            message=self._take_message,
            ended=self._server_ended,
            clock=clock,
        )
        self._boots = Boots(timeout_s=boot_timeout_s, hopeless=self._give_up, ears=ears, log=log, clock=clock)
        self._respawn = Respawn(random=random)
        self._stopping = self._dismissing = False
        self.dismissal = Dismissal(log)
        self._tasks: set[asyncio.Task[None]] = set()

    def __getitem__(self, id: int) -> Child:
        return self._children[id]

    def __iter__(self) -> Iterator[Child]:
        return iter(self._children.values())

    @property
    def empty_places(self) -> list[Place]:
        """The places where nobody stands at the moment."""
        return [place for place in self._places if place.child is None]

    def places(self, role: Role = Role.WORK) -> list[int]:
        """Returns the numbers of the places of this role."""
        return self._places.numbers(role)

    async def start(self, server: ForkServer) -> ServerHello:
        """Waits for the fork server's modules; `fork_all` then starts the children.

        Raises:
            ModuleImportFailed: they cannot be imported.
        """
        generation = self._generations.current = await self._generations.boot(server)
        return generation.hello

    def fork_all(self) -> None:
        for place in self._places:
            if place.child is None:
                self._want(place)

    async def stop(self) -> None:
        """Ends the fork servers and all children at once."""
        self._stopping = True
        for task in self._tasks:
            task.cancel()
        await self._generations.close_all()
        for child in list(self._children.values()):
            self._forget(child)

    # What others ask for

    def open_place(self, role: Role = Role.WORK) -> int:
        """Makes one more place, starts a child there, and returns the place's number."""
        place = self._places.open(role)
        self._want(place)
        return place.number

    def close_place(self, number: int) -> None:
        """Takes a place away: its child ends when it has done what it had started."""
        place = self._places.close(number)
        self._respawn.forget(number)
        for id in (place.child, place.coming):
            if id is not None:
                self._leave(self._children[id])

    def replace(self, id: int, reason: str) -> None:
        """Ends a child to start another in its place, at once: it has not failed."""
        child = self._children[id]
        child.replaced = reason
        child.kill()

    def retire(self, id: int, reason: str) -> None:
        """Starts another child in the place of a ready one, which goes on until that one is ready.

        It then gets no new work, and ends when it has done what it had started.
        """
        child = self._children[id]
        place = self._places.get(child.place)
        if child.state is State.READY and child.retiring is None and place is not None and place.child == id:
            child.retiring = reason
            self._want(place)

    def dismiss(self, id: int) -> None:
        """Asks a child, which holds nothing any more, for its end. It is not replaced."""
        child = self._children[id]
        if child.dismissed or child.state is State.ENDED:
            return
        self.dismissal.ask(child)
        asyncio.get_running_loop().call_later(STOP_HOOKS_S, self.dismissal.kill_if_late, child)

    def never_mind(self) -> None:
        """From now on, children that end are not replaced."""
        self._stopping = True

    def dismiss_all(self) -> None:
        """Asks those that are ready, and hold nothing any more, for their end, if they have stop hooks to run.

        They are not replaced; `dismissal` tells when they have ended.
        """
        self._stopping = self._dismissing = True
        for child in self._children.values():
            self._dismiss_at_drain(child)

    def _dismiss_at_drain(self, child: Child) -> None:
        has_something_to_do = child.generation.hello.stop_hooks and child.state in (State.READY, State.LEAVING)
        if has_something_to_do and not child.dismissed:
            self.dismissal.ask(child)

    # Forks

    def _want(self, place: Place) -> None:
        """Asks for a child in a place, unless one is on its way already."""
        if self._stopping or place.wanted or place.coming is not None or self._places.get(place.number) is not place:
            return
        if place.child is not None and self._children[place.child].retiring is None:
            return
        place.wanted, place.resting = True, False
        self._wanted.append(place)
        self._fork_some()

    def _fork_some(self) -> None:
        generation = self._generations.current
        while generation is not None and self._wanted and generation.can_fork and not self._stopping:
            place = self._wanted.popleft()
            place.wanted = False
            if self._places.get(place.number) is not place:
                continue
            try:
                self._ask_for(place, generation)
            except OSError as error:
                # Out of descriptors, or of memory: later, perhaps.
                self._restart(place, None, Event.CHILD_NOT_STARTED, f"cannot make its socket: {error.strerror}")

    def _ask_for(self, place: Place, generation: Generation) -> Child:
        """Raises OSError when the system refuses what the child needs; nothing is left of it then."""
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
            self._last_id += 1
            child = Child(self._last_id, place.number, place.role, generation, cells, link)
            self._children[child.id] = child
            if place.child is None:
                place.child = child.id
            else:
                place.coming = child.id
            generation.children.add(child.id)
            generation.forking.add(child.id)
            generation.server.fork(child.id, child.place, [theirs.fileno(), memory])
        self._spawn(self._connect(child, ours), f"connect child {child.place}")
        self._boots.begin(child)
        return child

    async def _connect(self, child: Child, ours: socket.socket) -> None:
        ours.setblocking(False)
        await asyncio.get_running_loop().create_connection(lambda: child.link, sock=ours)

    def _take_forked(self, message: Forked, pidfd: int) -> None:
        child = self._children.get(message.child)
        if child is None or child.pidfd is not None:
            os.close(pidfd)
            return
        child.generation.forking.discard(child.id)
        child.pid, child.pidfd = message.pid, pidfd
        asyncio.get_running_loop().add_reader(pidfd, self._ended, child)
        if child.dismissed or child.state is State.LEAVING:
            child.kill()  # its place was closed meanwhile
        self._fork_some()

    def _take_message(self, message: ForkFailed | Exited) -> None:
        child = self._children.get(message.child)
        if child is None:
            return
        if isinstance(message, ForkFailed):
            self._forget(child)
            place = self._vacate(child)
            if place is not None:
                self._restart(place, None, Event.CHILD_NOT_STARTED, f"cannot fork: {message.message}")
            self._fork_some()
        elif child.pid == message.pid:
            child.status = message.status
            child.reported.set()

    # What a child says

    def _take(self, child: Child, message: FromChild) -> None:
        if isinstance(message, Hello):
            self._take_hello(child)
        elif isinstance(message, BootFailed):
            if child.state is not State.BOOTING:
                raise ProtocolError(f"it says that it cannot boot, and is {child.state}")
            self._boots.take_failure(child, message)
        else:
            self._ears.received(child, message)

    def _take_hello(self, child: Child) -> None:
        if child.state is not State.BOOTING:
            return
        self._boots.ready(child)
        self._ears.ready(child)
        place = self._places.get(child.place)
        if place is not None and place.coming == child.id:
            before, place.child, place.coming = place.child, child.id, None
            if before is not None:
                self._leave(self._children[before])
        if self._dismissing:
            self._dismiss_at_drain(child)

    def _leave(self, child: Child) -> None:
        """It has no place any more."""
        if child.state is State.READY:
            child.state = State.LEAVING
            self._log.info(Event.CHILD_RETIRED, child=child.place, pid=child.pid, reason=child.retiring or CLOSED)
            self._ears.leaving(child)
        elif child.state is State.BOOTING:
            child.dismissed = True
            self._boots.stop(child)
            child.kill()

    def _link_closed(self, child: Child, problem: str | None) -> None:
        child.problem = child.problem or problem
        child.drained.set()
        if child.state is not State.ENDED:
            if problem is not None:
                self._log.error(Event.BAD_FRAME, child=child.place, reason=problem)
            # Without its socket it is of no use, whatever it still does.
            child.kill()

    # Ends

    def _ended(self, child: Child) -> None:
        assert child.pidfd is not None
        asyncio.get_running_loop().remove_reader(child.pidfd)
        self._spawn(self._bury(child), f"bury child {child.place}")

    async def _bury(self, child: Child) -> None:
        """Waits a moment for the exit status and the last of what it sent, then reports the death and replaces it."""
        if child.state is State.ENDED:
            return
        was_booting = child.state is State.BOOTING
        child.state = State.ENDED
        try:
            async with asyncio.timeout(LAST_WORDS_S):
                await child.drained.wait()
                await child.reported.wait()
        except TimeoutError:
            child.link.close()
        orphaned = child.status is None and child.generation.ended
        reason = child.problem or ("the fork server ended" if orphaned else describe_status(child.status))
        lived_s = 0.0 if child.ready_at is None else self._clock() - child.ready_at
        proven = lived_s >= LONG_LIFE_S or child.cells.any_started()
        self._forget(child)
        place = self._vacate(child)
        self._ears.died(child, reason, orphaned)
        self.dismissal.ended(child, reason)
        if child.dismissed:
            return
        if child.replaced is not None:
            self._log.warning(Event.CHILD_REPLACED, child=child.place, pid=child.pid, reason=child.replaced)
            if place is not None:
                self._want(place)
            return
        if was_booting and not orphaned and not self._stopping:
            self._boots.failed(reason)
        event = Event.START_HOOK_FAILED if child.boot_failed else Event.CHILD_DIED
        if place is not None and orphaned:
            # No fault of its place.
            self._log.warning(event, child=child.place, pid=child.pid, reason=reason, restart_in_s=0.0)
            self._want(place)
        elif place is not None:
            self._restart(place, child.pid, event, reason, proven=proven)
        elif not self._stopping:
            self._log.warning(event, child=child.place, pid=child.pid, reason=reason, restart_in_s=None)

    def _vacate(self, child: Child) -> Place | None:
        """Returns the place that the child leaves empty, or without the successor that it was to be."""
        place = self._places.get(child.place)
        if place is None or child.id not in (place.child, place.coming):
            return None
        if place.coming == child.id:
            place.coming = None
        else:
            # The next one is perhaps on its way.
            place.child, place.coming = place.coming, None
        return place

    def _restart(self, place: Place, pid: int | None, event: Event, reason: str, *, proven: bool = False) -> None:
        if self._stopping:
            return
        wait = self._respawn.died(place.number, self._clock(), proven=proven, places=len(self._places))
        place.resting = wait.resting
        asyncio.get_running_loop().call_later(wait.delay_s, self._want, place)
        self._log.warning(event, child=place.number, pid=pid, reason=reason, restart_in_s=round(wait.delay_s, 2))
        if wait.resting:
            self._log.error(Event.PLACE_RESTS, child=place.number, seconds=wait.delay_s)

    def _forget(self, child: Child) -> None:
        self._children.pop(child.id, None)
        child.generation.children.discard(child.id)
        child.generation.forking.discard(child.id)
        self._boots.stop(child)
        child.link.close()
        child.state = State.ENDED
        if child.pidfd is not None:
            asyncio.get_running_loop().remove_reader(child.pidfd)
            os.close(child.pidfd)
            child.pidfd = None
        for generation in self._generations.useless:
            self._spawn(self._generations.close(generation), "close an old fork server")

    def _give_up(self, text: str) -> None:
        if not self._stopping:
            self._stopping = True
            self._ears.hopeless(text)

    # Fork servers

    def _server_ended(self, generation: Generation) -> None:
        if self._stopping:
            return
        now = self._clock()
        proven = now - generation.began_at >= LONG_LIFE_S
        wait = self._respawn.died(SERVER_PLACE, now, proven=proven, places=len(self._places))
        self._log.error(
            Event.FORK_SERVER_DIED, reason="it ended by itself or was killed", restart_in_s=round(wait.delay_s, 2)
        )
        for child in [self._children[id] for id in generation.children]:
            # Nobody will tell how it ended.
            child.reported.set()
            if child.pidfd is None:
                # Nor that it did: it was never forked, or the word of it was lost.
                self._spawn(self._bury(child), f"bury child {child.place}")
        generation.forking.clear()
        if self._generations.current is generation:
            self._generations.current = None
            self._spawn(self._replace_server(wait.delay_s), "replace fork server")

    async def _replace_server(self, delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        failures, told = 0, None
        while not self._stopping:
            try:
                self._generations.current = await self._generations.boot()
            except (ModuleImportFailed, OSError) as error:
                if told != str(error):
                    told = str(error)
                    self._log.error(Event.IMPORT_FAILED, error=told)
                self._boots.degrade("the modules cannot be imported: the log says why")
                low, high = RESTART_S
                await asyncio.sleep(min(high, low * 2.0 ** min(failures, 32)))
                failures += 1
                continue
            self.fork_all()
            self._fork_some()
            return

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
