"""A node's life as one explicit state machine. Signals, control commands and the parts only ask for transitions.

Theory of operation. A phase changes in `_go` alone, and only as TRANSITIONS allows. What is asked for in a phase where
it makes no sense is ignored, but for a reload, which waits until the node can do it. A node that ends never turns back:
it can only be made to end faster, by `hurry` or `ask_quit`. docs/lifecycle.md has the picture.
"""

import asyncio
import enum
from collections.abc import Callable, Coroutine, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from currant.errors import CurrantError

T = TypeVar("T")
Told = Callable[[str | None], None]


class Phase(enum.StrEnum):
    """What a node is about."""

    #: Imports the modules, waits for the database and for a first child.
    STARTING = "starting"
    RUNNING = "running"
    #: Works, with less than it should have.
    DEGRADED = "degraded"
    #: Works, and replaces its children by such with new code.
    RELOADING = "reloading"
    #: Claims nothing, and waits for what runs: for the grace period at most.
    DRAINING = "draining"
    #: As DRAINING, with the grace period over.
    HURRYING = "hurrying"
    #: Ends its children at once, and writes down what it can in a moment.
    QUITTING = "quitting"
    STOPPED = "stopped"


_ENDS = frozenset({Phase.DRAINING, Phase.QUITTING, Phase.STOPPED})
#: From each phase to those that may follow. STOPPED follows each: a part may fail at any time, and that ends the node.
TRANSITIONS: Mapping[Phase, frozenset[Phase]] = MappingProxyType(
    {
        Phase.STARTING: _ENDS | {Phase.RUNNING, Phase.DEGRADED},
        Phase.RUNNING: _ENDS | {Phase.DEGRADED, Phase.RELOADING},
        Phase.DEGRADED: _ENDS | {Phase.RUNNING, Phase.RELOADING},
        Phase.RELOADING: _ENDS | {Phase.RUNNING, Phase.DEGRADED},
        Phase.DRAINING: frozenset({Phase.HURRYING, Phase.QUITTING, Phase.STOPPED}),
        Phase.HURRYING: frozenset({Phase.QUITTING, Phase.STOPPED}),
        Phase.QUITTING: frozenset({Phase.STOPPED}),
        Phase.STOPPED: frozenset(),
    }
)
WORKING = frozenset({Phase.RUNNING, Phase.DEGRADED, Phase.RELOADING})
ENDING = frozenset({Phase.DRAINING, Phase.HURRYING, Phase.QUITTING, Phase.STOPPED})
#: What a reload that is overtaken by the node's end is told.
NODE_ENDS = "the node is stopping"


class Lifecycle:
    """The phase of a node, who asked for what, and waiting for it. No I/O."""

    def __init__(self, *, changed: Callable[[Phase, Phase], None], reload: Callable[[], None] = lambda: None) -> None:
        """
        Args:
            changed: told of each transition, from and to, when it has been made.
            reload: begins a reload, whose end it reports by `reload_over`.
        """
        self._changed, self._begin_reload = changed, reload
        self._phase = Phase.STARTING
        #: Why the node ends: the signal or the command that asked for it first.
        self.why_ending: str | None = None
        #: Whether it takes no work although it does not end. No phase: a drained node may be degraded, or reload.
        self.drained = False
        self._degraded: dict[str, str] = {}
        self._reload_waits: list[Told] = []
        self._reload_runs: list[Told] | None = None
        self._ending, self._hurried, self._quit = asyncio.Event(), asyncio.Event(), asyncio.Event()

    @property
    def phase(self) -> Phase:
        return self._phase

    @property
    def ending(self) -> bool:
        """Whether the node takes on nothing any more."""
        return self._phase in ENDING

    @property
    def working(self) -> bool:
        """Whether the node has started and does not end."""
        return self._phase in WORKING

    def check_working(self) -> None:
        """Raises CurrantError when the node starts or ends: then it is not asked for anything else."""
        if not self.working:
            raise CurrantError(f"the node is {self._phase}: it takes no such request")

    @property
    def takes_work(self) -> bool:
        """Whether what is claimed is given to children: the node neither ends nor is drained."""
        return not self.drained and self._phase not in ENDING

    @property
    def quit_asked(self) -> bool:
        """Whether the end is to come at once, whatever it costs."""
        return self._quit.is_set()

    @property
    def degraded(self) -> dict[str, str]:
        """What the node lacks: the reason by the part."""
        return dict(self._degraded)

    # What is asked for

    def ask_drain(self, reason: str) -> None:
        """Asks for an orderly end; `reason`: who asks. Ignored while the node ends."""
        if not self.ending:
            self.why_ending = reason
            self._go(Phase.DRAINING)

    def hurry(self) -> None:
        """Asks an orderly end to make haste. Ignored in any other phase."""
        if self._phase is Phase.DRAINING:
            self._go(Phase.HURRYING)

    def ask_quit(self, reason: str) -> None:
        """Asks for the end at once; `reason`: who asks."""
        if self._phase not in (Phase.QUITTING, Phase.STOPPED):
            self.why_ending = self.why_ending or reason
            self._go(Phase.QUITTING)

    def ask_reload(self, told: Told = lambda _: None) -> None:
        """Asks for children with new code: at once, or when the node has started, or when the reload under way is over.

        Args:
            told: gets None when it is done, or why it is not.
        """
        if self.ending:
            told(NODE_ENDS)
            return
        self._reload_waits.append(told)
        self._reload_if_due()

    # What the parts report

    def started(self) -> None:
        """The node is ready for work."""
        if self._phase is Phase.STARTING:
            self._settle()

    def degrade(self, part: str, reason: str) -> None:
        """A part lacks something; told again, the reason is the new one."""
        self._degraded[part] = reason
        if self._phase is Phase.RUNNING:
            self._go(Phase.DEGRADED)

    def recover(self, part: str) -> None:
        """A part lacks nothing any more."""
        self._degraded.pop(part, None)
        if self._phase is Phase.DEGRADED and not self._degraded:
            self._go(Phase.RUNNING)

    def reload_over(self, error: str | None) -> None:
        """The reload has ended; `error`: why everything is as it was before."""
        runs, self._reload_runs = self._reload_runs, None
        if self._phase is Phase.RELOADING:
            self._settle()
        for told in runs or ():
            told(error)

    def stopped(self) -> None:
        """The node is no more."""
        if self._phase is not Phase.STOPPED:
            self._go(Phase.STOPPED)

    # Waiting

    async def until_ending(self) -> None:
        await self._ending.wait()

    async def until_hurried(self) -> None:
        await self._hurried.wait()

    async def until_quit(self) -> None:
        await self._quit.wait()

    async def unless_ending(self, work: Coroutine[Any, Any, T]) -> T | None:
        """Returns what `work` returns, or None when the end is asked for first: then the work is cancelled."""
        task, ending = asyncio.ensure_future(work), asyncio.ensure_future(self._ending.wait())
        try:
            await asyncio.wait((task, ending), return_when=asyncio.FIRST_COMPLETED)
        finally:
            ending.cancel()
            if not task.done():
                task.cancel()
        await asyncio.wait((task,))
        return None if task.cancelled() else task.result()

    # The one place where the phase changes

    def _go(self, to: Phase) -> None:
        before = self._phase
        assert to in TRANSITIONS[before], f"{before} -> {to}"
        self._phase = to
        if to in ENDING:
            self._ending.set()
            self._end_reloads()
        if to in (Phase.HURRYING, Phase.QUITTING, Phase.STOPPED):
            self._hurried.set()
        if to in (Phase.QUITTING, Phase.STOPPED):
            self._quit.set()
        self._changed(before, to)

    def _settle(self) -> None:
        self._go(Phase.DEGRADED if self._degraded else Phase.RUNNING)
        self._reload_if_due()

    def _reload_if_due(self) -> None:
        if self._reload_waits and self._phase in (Phase.RUNNING, Phase.DEGRADED):
            self._reload_runs, self._reload_waits = self._reload_waits, []
            self._go(Phase.RELOADING)
            self._begin_reload()

    def _end_reloads(self) -> None:
        waits, self._reload_waits = self._reload_waits, []
        runs, self._reload_runs = self._reload_runs or [], None
        for told in (*runs, *waits):
            told(NODE_ENDS)
