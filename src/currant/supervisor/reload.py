"""The reload: a new fork server with the code as it is now, and children of it in place of the old ones.

Theory of operation. A new generation imports the modules beside the old one, which goes on. It forks one child on
trial, in whose place the old one stays until it is ready: so also a start hook that fails is found while nothing has
changed. From then on the new generation forks, and the other children are replaced, each by one that is ready first.
What the old ones run they finish. Only so many old generations may be at work: the children of the oldest are ended
for a further one, and what they run goes back, uncounted.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from currant.errors import ModuleImportFailed
from currant.protocol.commands import ReloadReply, ReloadRequest
from currant.protocol.control import ServerHello
from currant.supervisor.child import Child, Restart, State
from currant.supervisor.children import Children
from currant.supervisor.events import Event, Log
from currant.supervisor.generations import Generation
from currant.supervisor.lifecycle import Lifecycle
from currant.supervisor.places import Role

#: So many generations that fork no more may have children at work, besides the present one.
OLD_GENERATIONS_MAX = 3
#: How long executions of a generation that must go may take to end, once they are cancelled.
CANCEL_S = 3.0
#: How often it is looked whether a place is free for the trial.
LOOK_S = 0.2
TOO_OLD = f"its code is more than {OLD_GENERATIONS_MAX} reloads old"


class Refused(Exception):
    """Why the new code is not taken on; the old children go on."""


class Reload:
    """Replaces the children by such with new code, when asked; one reload at a time."""

    def __init__(
        self,
        lifecycle: Lifecycle,
        children: Children,
        *,
        boot_timeout_s: float,
        cancel: Callable[[int], None],
        took: Callable[[ServerHello], None],
        functions: Callable[[], list[str]],
        spawn: Callable[[Coroutine[Any, Any, None], str], None],
        log: Log,
        clock: Callable[[], float],
    ) -> None:
        """
        Args:
            cancel: cancels what this child runs, to be released.
            took: the functions and queues of the node are these from now on; called when the first child has the new
                code, and again when the last one has.
            functions: returns those that the node knows.
        """
        self._children, self._boot_timeout_s, self._cancel, self._took = children, boot_timeout_s, cancel, took
        self._lifecycle, self._spawn, self._log, self._clock = lifecycle, spawn, log, clock
        self._functions = functions
        #: What the last reload brought and took away.
        self._added: list[str] = []
        self._removed: list[str] = []

    def begin(self) -> None:
        """Begins a reload, whose end the lifecycle hears of."""
        self._spawn(self._run_unless_ending(), "reload")

    async def asked(self, _: ReloadRequest) -> ReloadReply:
        """Asks for a reload, and returns what has come of it."""
        over: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        # Who asked may be gone by then.
        self._lifecycle.ask_reload(lambda error: None if over.done() else over.set_result(error))
        error = await over
        if error is not None:
            return ReloadReply(error)
        return ReloadReply(None, self._functions(), self._added, self._removed)

    async def _run_unless_ending(self) -> None:
        self._lifecycle.reload_over(await self._lifecycle.unless_ending(self.run()))

    async def run(self) -> str | None:
        """Reloads; returns None, or why everything is as it was before."""
        began = self._clock()
        self._log.info(Event.RELOADING)
        try:
            hello = await self._reload()
        except (Refused, ModuleImportFailed, OSError) as error:
            text = str(error)
            self._log.error(Event.RELOAD_FAILED, error=text)
            return text
        self._log.info(
            Event.RELOADED,
            seconds=round(self._clock() - began, 2),
            functions=len(hello.functions),
            added=self._added,
            removed=self._removed,
        )
        return None

    async def _reload(self) -> ServerHello:
        generations = self._children.generations
        await self._end_oldest()
        generation = await generations.boot()
        try:
            if not generation.hello.functions:
                raise Refused("no job is registered by the modules any more")
            await self._try_out(generation)
        except BaseException:
            await generations.close(generation)
            raise
        generations.promote(generation)
        hello = generation.hello
        before, now = set(self._functions()), set(hello.functions)
        self._added, self._removed = sorted(now - before), sorted(before - now)
        self._took(hello)
        await self._renew()
        # What the old children did not know meanwhile is parked.
        self._took(hello)
        return hello

    async def _try_out(self, generation: Generation) -> None:
        """Waits for a first child of the new generation. Raises Refused."""
        deadline = self._clock() + self._boot_timeout_s
        while (child := self._children.renewal.try_out(generation)) is None:
            # All places are in the middle of something: they are not for long.
            if generation.ended:
                raise Refused("the new fork server ended")
            if self._clock() >= deadline:
                raise Refused(f"no place for a first child with the new code within {self._boot_timeout_s:g} s")
            await asyncio.sleep(LOOK_S)
        await self._children.until(lambda: not _is_booting(child))
        if child.state is State.ENDED:
            raise Refused(child.problem or "its first child ended before it was ready")

    async def _renew(self) -> None:
        """Replaces the children one by one; where one is not ready in time, without waiting any longer."""
        try:
            for number in (*self._children.places(Role.WORK), *self._children.places(Role.QUARANTINE)):
                async with asyncio.timeout(self._boot_timeout_s):
                    self._children.renewal.renew(number)
                    await self._children.until(lambda number=number: self._children.renewal.is_renewed(number))  # type: ignore[misc]
        except TimeoutError:
            pass
        self._children.renewal.renew_all()

    async def _end_oldest(self) -> None:
        old = self._children.generations.old
        doomed = [id for generation in old[: len(old) + 1 - OLD_GENERATIONS_MAX] for id in generation.children]
        if not doomed:
            return
        for id in doomed:
            self._cancel(id)
        try:
            async with asyncio.timeout(CANCEL_S):
                await self._children.until(lambda: not self._living(doomed))
        except TimeoutError:
            for id in self._living(doomed):
                self._children.replace(id, TOO_OLD, Restart.RELOAD)

    def _living(self, ids: list[int]) -> list[int]:
        living = {child.id for child in self._children}
        return [id for id in ids if id in living]


def _is_booting(child: Child) -> bool:
    return child.state is State.BOOTING
