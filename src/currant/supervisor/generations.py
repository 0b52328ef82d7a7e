"""The generations of fork servers: the one that forks, and older ones whose children have not ended yet."""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from currant.errors import ModuleImportFailed
from currant.protocol.control import Exited, Forked, ForkFailed, ServerHello
from currant.supervisor.events import Event, Log
from currant.supervisor.forkserver import ForkServer, StartForkServer
from currant.supervisor.respawn import RESTART_S

#: At a time it forks so many: its socket holds only so many requests.
FORKS_MAX = 16


@dataclass(eq=False)
class Generation:
    """A fork server whose modules are imported, and by their ids the children it has forked."""

    number: int
    server: ForkServer
    hello: ServerHello
    #: When its modules were imported, in seconds of the supervisor's clock.
    began_at: float
    #: Those that have not ended, and among them those whose fork is not reported yet.
    children: set[int] = field(default_factory=set)
    forking: set[int] = field(default_factory=set)
    #: Its process is gone, and its children with it.
    ended: bool = False
    #: It is, or was, the one that forks.
    promoted: bool = False

    @property
    def can_fork(self) -> bool:
        return not self.ended and len(self.forking) < FORKS_MAX


class Generations:
    """Starts fork servers, and ends those that nothing needs any more."""

    def __init__(
        self,
        *,
        start: StartForkServer,
        boot_timeout_s: float,
        forked: Callable[[Forked, int], None],
        message: Callable[[ForkFailed | Exited], None],
        ended: Callable[[Generation], None],
        log: Log,
        clock: Callable[[], float],
    ) -> None:
        """
        Args:
            start: starts a fork server's process.
            forked, message: what the fork servers say of their children.
            ended: a fork server is gone by itself.
        """
        self._start, self._boot_timeout_s = start, boot_timeout_s
        self._forked, self._message, self._ended = forked, message, ended
        self._log, self._clock = log, clock
        self._all: list[Generation] = []
        self._number = 0
        #: The one that forks.
        self.current: Generation | None = None

    async def boot(self, server: ForkServer | None = None) -> Generation:
        """Starts a fork server, or takes the one that has been started, and waits for its modules.

        One whose modules started threads or opened sockets is unfit for forking: another one takes its place, whose
        children import the modules themselves.

        Raises:
            ModuleImportFailed: they cannot be imported.
            OSError: the system refuses the process.
        """
        generation = await self._attach(server or self._start())
        if generation.hello.unfit:
            hello = generation.hello
            self._log.warning(Event.UNFIT_FOR_FORKING, found=hello.unfit)
            await self.close(generation)
            generation = await self._attach(self._start(import_late=True))
            generation.hello = msgspec.structs.replace(hello, unfit=[])
        return generation

    async def replace(self, delay_s: float, failed: Callable[[str], None]) -> None:
        """Boots the next generation, which forks from then on, for as long as it takes.

        Args:
            delay_s: how long to wait before, in seconds.
            failed: told why it cannot be booted, each time; it is tried again, after a wait that grows.
        """
        await asyncio.sleep(delay_s)
        low, high = RESTART_S
        while self.current is None:
            try:
                generation = await self.boot()
            except (ModuleImportFailed, OSError) as error:
                failed(str(error))
                await asyncio.sleep(low)
                low = min(high, 2 * low)
                continue
            if self.current is None:
                self.promote(generation)
            else:
                # A reload was faster.
                await self.close(generation)

    def promote(self, generation: Generation) -> None:
        """Lets this generation fork from now on; it is newer than all before."""
        self._number += 1
        generation.number, generation.promoted = self._number, True
        self.current = generation

    async def close(self, generation: Generation) -> None:
        """Ends a fork server, and with it the children that it still has."""
        with contextlib.suppress(ValueError):
            self._all.remove(generation)
        generation.ended = True
        await generation.server.close()

    async def close_all(self) -> None:
        self.current = None
        for generation in list(self._all):
            await self.close(generation)

    @property
    def useless(self) -> list[Generation]:
        """Those that fork no more and have no children left."""
        return [each for each in self._all if each.promoted and each is not self.current and not each.children]

    @property
    def old(self) -> list[Generation]:
        """Those whose children go on although a newer one forks, the oldest first."""
        return [each for each in self._all if each.promoted and each is not self.current and each.children]

    async def _attach(self, server: ForkServer) -> Generation:
        generation: Generation | None = None

        def ended() -> None:
            if generation is not None:
                generation.ended = True
                self._ended(generation)

        try:
            hello = await server.attach(
                boot_timeout_s=self._boot_timeout_s, forked=self._forked, message=self._message, ended=ended
            )
        except BaseException:
            await server.close()
            raise
        generation = Generation(self._number + 1, server, hello, self._clock())
        self._all.append(generation)
        return generation
