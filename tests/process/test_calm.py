"""What a node costs a database that has no work for it, counted at the server."""

import time
from typing import Any

import pytest

from tests.nodes import World, eventually

_CONNECTIONS = (
    "SELECT pid, application_name, query_start FROM pg_stat_activity WHERE application_name LIKE 'currantd:%'"
)


class Watch:
    """The connections of the nodes that were started after it was."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._foreign = {pid for pid, _, _ in world.rows(_CONNECTIONS)}

    def look(self) -> dict[int, tuple[str, object]]:
        """Returns each connection's name and when it began its last statement, by backend."""
        rows = self._world.rows(_CONNECTIONS)
        return {pid: (name, began) for pid, name, began in rows if pid not in self._foreign}

    def names(self) -> list[str]:
        return sorted(name for name, _ in self.look().values())

    def sends(self, counts: range, seconds: float) -> bool:
        """Whether so many statements are sent within so many seconds. What the start has asked for may come late, and a
        machine that stalls has the node look after its LISTEN: of four such times one is enough."""
        time.sleep(1)  # mostly, that is enough for what the start has asked for
        return any(self._statements_within(seconds) in counts for _ in range(4))

    def _statements_within(self, seconds: float) -> int:
        """Counts statements by looking every few ms when each connection began its last one."""
        count, seen = 0, self.look()
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            time.sleep(0.005)
            now = self.look()
            count += sum(state != seen.get(pid) for pid, state in now.items())
            seen = now
        return count


CONNECTIONS = ["currantd:claim", "currantd:complete", "currantd:listen"]
#: With schedules, hooks, middleware, and a limit to what is kept.
EVERYTHING = "jobs,cron_jobs,hooked_jobs"


@pytest.mark.parametrize(("procs", "modules"), [(2, "jobs"), (100, "jobs"), (2, EVERYTHING)])
def test_an_idle_node_has_three_connections_and_sends_a_statement_in_four_seconds(
    world: World, procs: int, modules: str
) -> None:
    watch = Watch(world)
    limits: dict[str, Any] = {}
    if modules == EVERYTHING:
        limits = {"CURRANT_KEEP_COMPLETED_S": "3600", "CURRANT_KEEP_FAILED_S": "3600"}
    node = world.node("--procs", str(procs), module=modules, TEST_CRON="0 0 1 1 *", **limits)
    eventually(lambda: len(node.descendants()) == procs + 1)
    world.enqueue("echo", count=200)
    world.at_rest()
    eventually(lambda: watch.names() == CONNECTIONS)
    # Four whole ticks of five seconds each.
    assert watch.sends(range(1, 20 // 4 + 1), seconds=20)
    eventually(lambda: watch.names() == CONNECTIONS)
