"""The table of children: who stands in which place, and what happens when one ends."""

import asyncio
import os
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from currant.errors import ProtocolError
from currant.protocol.control import Exited, Forked, ForkFailed, ServerHello
from currant.protocol.work import BootFailed, FromChild, Hello, SetLevel
from currant.supervisor.boots import Boots
from currant.supervisor.child import Child, Restart, State
from currant.supervisor.deaths import LONG_LIFE_S, Deaths
from currant.supervisor.dismissal import Dismissal
from currant.supervisor.ears import Ears
from currant.supervisor.events import Event, Log
from currant.supervisor.forks import Forks
from currant.supervisor.forkserver import ForkServer, StartForkServer
from currant.supervisor.generations import Generation, Generations
from currant.supervisor.places import Place, Places, Role
from currant.supervisor.renewal import OLD_CODE, Renewal
from currant.supervisor.respawn import Respawn

#: How long a child that was replaced may run its stop hooks before it is killed.
STOP_HOOKS_S = 5.0
#: The fork server's own, for the waits between its deaths.
SERVER_PLACE = -1
CLOSED = "its place is closed"


class Children:
    """Keeps a child in each place."""

    def __init__(
        self,
        *,
        procs: int,
        boot_timeout_s: float,
        frame_bytes_max: int,
        start_fork_server: StartForkServer,
        ears: Ears,
        log: Log,
        clock: Callable[[], float],
        random: Callable[[], float],
        describe: Callable[[int | None], str],
    ) -> None:
        """`describe` says how a child ended, by its exit status; None: unknown."""
        self._ears, self._log, self._clock = ears, log, clock
        self._children: dict[int, Child] = {}
        self._places = Places()
        for _ in range(procs):
            self._places.open(Role.WORK)
        self.generations = Generations(
            start=start_fork_server,
            boot_timeout_s=boot_timeout_s,
            forked=self._take_forked,
            message=self._take_message,
            ended=self._server_ended,
            log=log,
            clock=clock,
        )
        self._forks = Forks(
            self.generations,
            frame_bytes_max=frame_bytes_max,
            is_vacant=self._is_vacant,
            asked=self._seat,
            refused=lambda place, reason: self._deaths.restart(place, None, Event.CHILD_NOT_STARTED, reason),
            received=self._take,
            closed=self._link_closed,
        )
        self._boots = Boots(timeout_s=boot_timeout_s, hopeless=self._give_up, ears=ears, log=log, clock=clock)
        self._respawn = Respawn(random=random)
        self._stopping = self._dismissing = False
        self.dismissal = Dismissal(log)
        self._deaths = Deaths(
            self._places,
            boots=self._boots,
            respawn=self._respawn,
            dismissal=self.dismissal,
            forget=self._forget,
            describe=describe,
            died=ears.died,
            restarted=ears.restarted,
            want=self._forks.want,
            is_stopping=lambda: self._stopping,
            log=log,
            clock=clock,
        )
        #: Its part in a reload.
        self.renewal = Renewal(
            self._places,
            self.generations,
            self._forks,
            self._respawn,
            child=self._children.__getitem__,
            retire=self.retire,
        )
        self._news = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    def __getitem__(self, id: int) -> Child:
        return self._children[id]

    def __iter__(self) -> Iterator[Child]:
        return iter(self._children.values())

    @property
    def all_places(self) -> list[Place]:
        return list(self._places)

    @property
    def empty_places(self) -> list[Place]:
        """The places where nobody stands at the moment."""
        return [place for place in self._places if place.child is None]

    def places(self, role: Role = Role.WORK) -> list[int]:
        """Returns the numbers of the places of this role."""
        return self._places.numbers(role)

    def set_log_level(self, level: str) -> None:
        """Tells all that are there; those that come later begin with it."""
        for child in self._children.values():
            child.send(SetLevel(level))

    def at(self, number: int) -> Child | None:
        """Returns who stands in the place of this number, and not who comes to replace it; None: nobody."""
        place = self._places.get(number)
        return None if place is None or place.child is None else self._children[place.child]

    def has_place(self, number: int) -> bool:
        return self._places.get(number) is not None

    async def start(self, server: ForkServer) -> ServerHello:
        """Waits for the fork server's modules; `fork_all` then starts the children.

        Raises:
            ModuleImportFailed: they cannot be imported.
        """
        generation = await self.generations.boot(server)
        self.generations.promote(generation)
        return generation.hello

    def fork_all(self) -> None:
        """Starts a child in each empty place."""
        for place in self.empty_places:
            if not place.resting:
                self._forks.want(place)
        self._forks.go_on()

    async def stop(self) -> None:
        """Ends the fork servers and all children at once."""
        self._stopping = True
        for task in self._tasks:
            task.cancel()
        await self.generations.close_all()
        for child in list(self._children.values()):
            self._forget(child)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Waits until the condition is true, which is asked whenever a child has become ready or has ended."""
        while not condition():
            self._news.clear()
            await self._news.wait()

    # What others ask for

    def open_place(self, role: Role = Role.WORK) -> int:
        """Makes one more place, starts a child there, and returns the place's number."""
        place = self._places.open(role)
        self._forks.want(place)
        return place.number

    def close_place(self, number: int) -> None:
        """Takes a place away: its child ends when it has done what it had started."""
        place = self._places.close(number)
        self._respawn.forget(number)
        for id in (place.child, place.coming):
            if id is not None:
                self._leave(self._children[id])

    def replace(self, id: int, reason: str, why: Restart = Restart.ASKED) -> None:
        """Ends a child to start another in its place, at once: it has not failed."""
        child = self._children[id]
        child.replaced, child.killed_for = reason, why
        child.kill()

    def retire(self, id: int, reason: str, why: Restart = Restart.ASKED) -> None:
        """Starts another child in the place of a ready one, which goes on until that one is ready.

        It then gets no new work, and ends when it has done what it had started.
        """
        child = self._children[id]
        place = self._places.get(child.place)
        if child.state is State.READY and child.retiring is None and place is not None and place.child == id:
            child.retiring, child.retired_for = reason, why
            self._forks.want(place)

    def may_fork(self) -> bool:
        """Whether a child may be started now that nobody waits for; counts it."""
        return self._respawn.spend_spare(self._clock(), places=len(self._places))

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

    def _is_vacant(self, place: Place) -> bool:
        """Whether a child is wanted there: nobody stands there, or one that is to be replaced, and none is coming."""
        if self._stopping or place.coming is not None or self._places.get(place.number) is not place:
            return False
        return place.child is None or self._children[place.child].retiring is not None

    def _seat(self, child: Child, place: Place) -> None:
        self._children[child.id] = child
        place.seat(child.id)
        self._boots.begin(child)

    def _take_forked(self, message: Forked, pidfd: int) -> None:
        child = self._children.get(message.child)
        if child is None or child.pidfd is not None:
            os.close(pidfd)
            return
        child.generation.forking.discard(child.id)
        child.pid, child.pidfd = message.pid, pidfd
        asyncio.get_running_loop().add_reader(pidfd, self._ended, child)
        if child.dismissed:
            child.kill()  # its place was closed meanwhile
        self._forks.go_on()

    def _take_message(self, message: ForkFailed | Exited) -> None:
        child = self._children.get(message.child)
        if child is None:
            return
        if isinstance(message, ForkFailed):
            self._deaths.unborn(child, f"cannot fork: {message.message}")
            self._forks.go_on()
        elif child.pid == message.pid:
            child.status = message.status
            child.cpu_s = max(child.cpu_s, message.cpu_s or 0.0)
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
        before = self._places.succeed(child.place, child.id)
        if before is not None:
            self._leave(self._children[before])
        self.renewal.retire_if_old(child)
        if self._dismissing:
            self._dismiss_at_drain(child)
        self._news.set()

    def _leave(self, child: Child) -> None:
        """It has no place any more."""
        if child.state is State.READY:
            child.state = State.LEAVING
            has_successor = self._places.get(child.place) is not None
            reason = child.retiring or (OLD_CODE if has_successor else CLOSED)
            if has_successor:
                self._ears.restarted(child.retired_for or Restart.RELOAD)
            self._log.info(Event.CHILD_RETIRED, child=child.place, pid=child.pid, reason=reason)
            self._ears.leaving(child)
        elif child.state is State.BOOTING:
            child.dismissed = True
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
        self._spawn(self._deaths.bury(child), f"bury child {child.place}")

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
        for generation in self.generations.useless:
            self._spawn(self.generations.close(generation), "close an old fork server")
        self._news.set()

    def _give_up(self, text: str) -> None:
        if not self._stopping:
            self._stopping = True
            self._ears.hopeless(text)

    # Fork servers

    def _server_ended(self, generation: Generation) -> None:
        if self._stopping:
            return
        is_current, delay_s = self.generations.current is generation, None
        if is_current:
            now = self._clock()
            proven = now - generation.began_at >= LONG_LIFE_S
            delay_s = self._respawn.died(SERVER_PLACE, now, proven=proven, places=len(self._places)).delay_s
            self.generations.current = None
        reason = "it ended by itself or was killed"
        restart_in_s = None if delay_s is None else round(delay_s, 2)
        self._log.error(Event.FORK_SERVER_DIED, reason=reason, restart_in_s=restart_in_s)
        for child in [self._children[id] for id in generation.children]:
            # Nobody will tell how it ended.
            child.reported.set()
            if child.pidfd is None:
                # Nor that it did: it was never forked, or the word of it was lost.
                self._spawn(self._deaths.bury(child), f"bury child {child.place}")
        generation.forking.clear()
        if delay_s is not None:
            self._spawn(self._replace_server(delay_s), "replace fork server")

    async def _replace_server(self, delay_s: float) -> None:
        await self.generations.replace(delay_s, self._boots.cannot_import)
        self.fork_all()

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
