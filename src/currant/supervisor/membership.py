"""The node among nodes: it registers, notices that it was declared dead, and says when it has stopped.

A node that was declared dead registers anew, under a new name. Its leases are lost, or will be when the other node gets
to them. What runs goes on: its outcome counts as long as nobody has taken the execution back, and changes nothing
afterwards, by the fence of every write. What has not started is recalled and given back, not run.
"""

import asyncio
from collections.abc import Callable

from currant.executions import Execution
from currant.identifiers import new_node_id
from currant.supervisor.database import Database
from currant.supervisor.events import Event, Log
from currant.supervisor.instance import Instance
from currant.supervisor.ledger import Ledger


class Membership:
    """This node's row of worker_heartbeats."""

    def __init__(
        self,
        database: Database,
        instance: Instance,
        ledger: Ledger,
        *,
        metadata: dict[str, object],
        recall: Callable[[], None],
        renamed: Callable[[], None],
        log: Log,
    ) -> None:
        """
        Args:
            metadata: what the node's row says of it.
            recall: asks the children for everything that has not started.
            renamed: called when the node has a new name.
        """
        self._database, self._instance, self._ledger = database, instance, ledger
        self._metadata, self._recall, self._renamed, self._log = metadata, recall, renamed, log
        self._turn = asyncio.Lock()
        #: What children held when the node was declared dead, as (id, lease), until nothing of it is left.
        self._lost: set[tuple[str, int]] = set()

    async def register(self) -> None:
        """Makes the node known, whatever it takes. Raises DatabaseError, StatementRefused."""
        await self._database.register(new_node_id(), self._metadata)

    def record(self) -> None:
        """Names the node to the supervisor that comes after this one in the same runtime directory."""
        self._instance.record(self._database.node)

    async def fenced(self) -> None:
        """Another node declared this one dead, as a claim or a tick has found: a new node begins."""
        before = self._database.node
        async with self._turn:
            if self._database.node != before:
                return
            self._give_back()
            await self.register()
            # Once more: a claim's reply may have come meanwhile. The new node has claimed nothing yet.
            self._give_back()
            self.record()
            self._log.error(Event.FENCED, node=before, new_node=self._database.node, running=self._ledger.held)
            self._renamed()

    def _give_back(self) -> None:
        self._lost |= self._ledger.leases()
        self._recall()

    def sift(self, executions: list[Execution]) -> tuple[list[Execution], list[Execution]]:
        """Returns those of these, which came back unstarted, that may be run here, and those of a node that is dead."""
        if not self._lost:
            return executions, []
        ours = [each for each in executions if (each.id, each.lease) not in self._lost]
        lost = [each for each in executions if (each.id, each.lease) in self._lost]
        self._lost &= self._ledger.leases()
        return ours, lost

    async def deregister(self, doubt: bool) -> None:
        """Says that the node has stopped; with `doubt`, that it may have left something behind.

        Raises DatabaseUnreachable, StatementRefused.
        """
        await self._database.deregister(doubt=doubt)
        if not doubt:
            self._instance.record(None)
