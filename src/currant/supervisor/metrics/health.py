"""Whether a node is ready for work, and if not, why."""

from collections.abc import Callable, Mapping

from currant.supervisor.child import Child, State
from currant.supervisor.children import Children
from currant.supervisor.database import CLAIM_NAME, COMPLETE_NAME, Database
from currant.supervisor.lifecycle import Lifecycle
from currant.supervisor.places import Role


class Health:
    """What /readyz says."""

    def __init__(
        self, lifecycle: Lifecycle, database: Database, children: Children, *, lost: Callable[[], Mapping[str, str]]
    ) -> None:
        """`lost` returns the connections that are lost, each with the reason."""
        self._lifecycle, self._database, self._children, self._lost = lifecycle, database, children, lost

    def why_not_ready(self) -> str | None:
        """Returns what the node lacks to work; None: it is registered, has a child that is ready, and claims."""
        if self._lifecycle.ending:
            return f"the node is {self._lifecycle.phase}"
        if self._lifecycle.drained:
            return "the node is drained: currantctl resume ends that"
        lost = self._lost()
        for name in (CLAIM_NAME, COMPLETE_NAME):
            if name in lost:
                return f"the database is away: {lost[name]}"
        if not self._database.node:
            return "the node is not registered yet"
        if not any(_works(child) for child in self._children):
            return "no child is ready"
        if not self._lifecycle.working:
            return f"the node is {self._lifecycle.phase}"
        return None


def _works(child: Child) -> bool:
    return child.role is Role.WORK and child.state is State.READY
