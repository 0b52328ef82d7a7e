"""Gathers what the parts of a node know, for prometheus-client."""

import time
from collections.abc import Callable, Iterator

from prometheus_client import ProcessCollector
from prometheus_client.registry import Collector

from currant.release import release
from currant.supervisor.database import CONNECTION_PREFIX, CONNECTIONS, Database
from currant.supervisor.events import Counts
from currant.supervisor.figures import Figures
from currant.supervisor.ledger import Ledger
from currant.supervisor.lifecycle import Lifecycle
from currant.supervisor.listener import Listener
from currant.supervisor.metrics import children, database, executions, node, queues
from currant.supervisor.metrics.families import Family
from currant.supervisor.report import Connections
from currant.supervisor.tally import Tally


class NodeCollector(Collector):
    """A node's metrics, as they are when they are asked for."""

    def __init__(
        self,
        *,
        lifecycle: Lifecycle,
        database: Database,
        ledger: Ledger,
        counts: Counts,
        tally: Tally,
        figures: Figures,
        connections: Connections,
        listener: Listener | None,
        queue_watch: queues.QueueWatch,
        parts: tuple[str, ...],
        clock: Callable[[], float],
    ) -> None:
        """
        Args:
            listener: None when the node does not listen.
            parts: those that can be degraded.
        """
        self._lifecycle, self._database, self._ledger, self._counts = lifecycle, database, ledger, counts
        self._tally, self._figures, self._connections, self._listener = tally, figures, connections, listener
        self._queue_watch, self._parts, self._clock = queue_watch, parts, clock
        self._started_at_s = time.time()
        # Of no registry: what it finds goes through our table.
        self._process = ProcessCollector(registry=None)

    def collect(self) -> Iterator[Family]:
        """Gives every metric of the table once."""
        yield from executions.families(self._tally)
        yield from node.ways(self._counts, outcomes_waiting=self._ledger.unsaved, suspects=self._ledger.aside)
        yield from children.families(self._figures.of_places(), self._figures.restarts)
        yield from database.families(self._database_state())
        watch = self._queue_watch
        yield from queues.families(
            watch.figures,
            watch.age_s,
            running=self._ledger.by_queue(),
            queues=self._database.queues,
            paused=self._database.paused_queues,
        )
        yield from node.families(self._node_state())
        yield from node.process_families(self._process)

    def _database_state(self) -> database.DatabaseState:
        registered, lost = bool(self._database.node), self._connections.lost
        names = [name for name in CONNECTIONS if self._listener is not None or name != database.LISTEN]
        ticked_at = self._database.ticked_at
        return database.DatabaseState(
            statements=self._database.usage.snapshot(),
            up={name: registered and f"{CONNECTION_PREFIX}{name}" not in lost for name in names},
            losses=self._connections.losses,
            ticked_at_s=None if ticked_at is None else time.time() - (self._clock() - ticked_at),
            notifications=0 if self._listener is None else self._listener.notifications,
        )

    def _node_state(self) -> node.NodeState:
        lacks = self._lifecycle.degraded
        return node.NodeState(
            version=release(),
            node=self._database.node,
            phase=self._lifecycle.phase,
            degraded={part: part in lacks for part in {*self._parts, *lacks}},
            started_at_s=self._started_at_s,
        )
