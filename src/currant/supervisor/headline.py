"""The node in one line, as `systemctl status` shows it."""

from collections.abc import Callable

from currant.supervisor.child import State
from currant.supervisor.children import Children
from currant.supervisor.database import Database
from currant.supervisor.events import Counts
from currant.supervisor.ledger import Ledger
from currant.supervisor.lifecycle import ENDING, Lifecycle, Phase
from currant.supervisor.places import Role
from currant.supervisor.rate import Rate
from currant.supervisor.report import Connections

#: A rate is of at least so many seconds.
SAMPLE_S = 2.0


class Headline:
    """Says how the node is; cheap enough for every few seconds."""

    def __init__(
        self,
        lifecycle: Lifecycle,
        children: Children,
        database: Database,
        ledger: Ledger,
        counts: Counts,
        connections: Connections,
        *,
        clock: Callable[[], float],
    ) -> None:
        self._lifecycle, self._children, self._database = lifecycle, children, database
        self._ledger, self._counts, self._connections = ledger, counts, connections
        self._completed = Rate(clock, SAMPLE_S)

    def line(self) -> str:
        phase = self._lifecycle.phase
        if phase is Phase.STARTING:
            return self._start()
        figures = self._ending() if phase in ENDING else self._working()
        drained = ["drained, until currantctl resume"] if self._lifecycle.drained else []
        troubles = drained + [f"{part}: {reason}" for part, reason in self._lifecycle.degraded.items()]
        if lost := next(iter(self._connections.lost.values()), None):
            troubles.append(f"database: {lost}")
        return "; ".join([f"{phase.capitalize()}: {', '.join(figures)}", *troubles])

    def _start(self) -> str:
        if lost := next(iter(self._connections.lost.values()), None):
            return f"Starting: waiting for the database: {lost}"
        if self._database.node:
            return "Starting: waiting for a first child"
        return "Starting: importing the modules and connecting to the database"

    def _working(self) -> list[str]:
        children = self._children
        ready = sum(child.state is State.READY and child.role is Role.WORK for child in children)
        return [
            f"{ready} of {len(children.places(Role.WORK))} children ready",
            self._running(),
            f"{self._completed.per_s(self._counts.completed):.1f} completed per second",
            *self._written(),
        ]

    def _ending(self) -> list[str]:
        return [self._running(), *self._written()]

    def _running(self) -> str:
        return f"{self._ledger.held - self._ledger.backlog} running"

    def _written(self) -> list[str]:
        return [
            f"{self._ledger.unsaved} to be written",
            f"{self._counts.completed} completed and {self._counts.failed} failed since the start",
        ]
