"""A real node, and the service manager that it tells how it is."""

import os
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

from currant import proc
from currant.supervisor.events import Event
from tests.nodes import Node, World, eventually
from tests.process.proxy import Proxy
from tests.support import frozen_backend
from tests.systemd import Manager

WATCHDOG_S = 0.4


class Heard:
    """What the node has told, in its order."""

    def __init__(self, manager: Manager) -> None:
        self._manager = manager
        self.messages: list[dict[str, str]] = []

    def until(self, condition: Callable[[dict[str, str]], object]) -> dict[str, str]:
        """Hears messages up to the first of this kind, and returns that."""

        def heard() -> dict[str, str] | None:
            while message := self._manager.take():
                self.messages.append(message)
                if condition(message):
                    return message
            return None

        found: dict[str, str] = eventually(heard)
        return found

    def told(self, *names: str) -> dict[str, str]:
        return self.until(lambda message: names == tuple(name for name in names if name in message))


def supervised(world: World, manager: Manager, *args: str) -> Node:
    """Starts a node as systemd does."""
    return world.start(
        "--procs", "1", *args, NOTIFY_SOCKET=manager.address, WATCHDOG_USEC=str(round(WATCHDOG_S * 1e6)),
        module="currant_notify_jobs", PYTHONPATH=str(world.folder),
    )  # fmt: skip


def modules(world: World, text: str) -> None:
    (world.folder / "currant_notify_jobs.py").write_text(text)


def is_silent(manager: Manager) -> bool:
    """Whether nothing more comes for five times as long as systemd waits."""
    manager.drain()
    return not manager.hears(within_s=5 * WATCHDOG_S)


JOBS = """
import asyncio
import os
from pathlib import Path

from currant import job


@job(queue="test")
async def gated():
    while not Path(os.environ["TEST_LEDGER"] + ".gate").exists():
        await asyncio.sleep(0.01)
"""


#: Makes a supervisor whose statements are not ended by their limits.
WITHOUT_LIMITS = """
import sys

if "currant.cli.currantd" in sys.orig_argv:
    from currant.store import connections

    connections._cut = lambda connection: None
    connections.STATEMENT_S = 2.0
    connections._NOTICE_S, connections.OVERDUE_S = 1000.0, -999.5
"""


def test_systemd_is_told_of_each_phase_and_of_the_figures(world: World) -> None:
    with Manager(abstract=True) as manager:
        heard = Heard(manager)
        modules(world, JOBS)
        node = supervised(world, manager)
        # Long before it is ready.
        assert "Starting" in heard.told("STATUS", "EXTEND_TIMEOUT_USEC")["STATUS"]
        ready = heard.told("READY")
        assert ready["MAINPID"] == str(node.process.pid)
        assert ready["STATUS"].startswith("Running: 1 of 1 children ready, 0 running")
        heard.told("WATCHDOG")

        # It is between systemd and the supervisor alone.
        for pid in node.descendants():
            environment = Path(f"/proc/{pid}/environ").read_bytes()
            assert b"TEST_LEDGER=" in environment
            assert b"NOTIFY_SOCKET" not in environment
            assert b"WATCHDOG_" not in environment

        world.enqueue("currant_notify_jobs.gated", count=3)
        heard.until(lambda message: "3 running" in message.get("STATUS", ""))

        # A reload, and one that fails.
        for text, event in ((JOBS, Event.RELOADED), ("1/0", Event.RELOAD_FAILED)):
            modules(world, text)
            node.send(signal.SIGHUP)
            reloading = heard.told("RELOADING")
            assert int(reloading["MONOTONIC_USEC"]) > 0
            assert heard.told("READY")["MAINPID"] == str(node.process.pid)
            eventually(partial(node.told, event))

        node.send(signal.SIGTERM)
        assert heard.told("STOPPING")["STATUS"].startswith("Draining: 3 running")
        heard.told("WATCHDOG", "EXTEND_TIMEOUT_USEC")
        world.open_gate()
        assert node.process.wait(60) == 0
        assert not [each for each in manager.drain() if "READY" in each]


def test_the_watchdog_is_told_while_the_database_is_away_but_not_while_the_supervisor_is_frozen(world: World) -> None:
    with Manager(abstract=True) as manager, Proxy(world.url) as proxy:
        heard = Heard(manager)
        modules(world, JOBS)
        world.url = proxy.url
        node = supervised(world, manager)
        heard.told("READY")

        os.kill(node.process.pid, signal.SIGSTOP)
        eventually(lambda: proc.stat(node.process.pid).state == "T")  # type: ignore[union-attr]
        assert is_silent(manager)
        os.kill(node.process.pid, signal.SIGCONT)
        heard.told("WATCHDOG")

        proxy.refuse_new()
        world.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'currantd:complete'"
        )
        heard.until(lambda message: "database: " in message.get("STATUS", ""))
        # What it tries hangs until its limit, and is tried again: all that time the supervisor is well.
        for _ in range(5):
            heard.told("WATCHDOG")
        assert not node.told(Event.HUNG)


def test_the_watchdog_is_told_no_more_while_database_work_hangs(world: World) -> None:
    with Manager(abstract=True) as manager:
        heard = Heard(manager)
        modules(world, JOBS)
        (world.folder / "sitecustomize.py").write_text(WITHOUT_LIMITS)
        node = supervised(world, manager)
        heard.told("READY")
        world.open_gate()
        ((backend,),) = world.rows("SELECT pid FROM pg_stat_activity WHERE application_name = 'currantd:complete'")
        with frozen_backend(backend):
            world.enqueue("currant_notify_jobs.gated")
            eventually(lambda: is_silent(manager))
            assert eventually(partial(node.told, Event.HUNG))[-1]["part"] == "currantd:complete"
            # Its loop turns all the while, and tells what there is to tell.
            world.enqueue("currant_notify_jobs.gated", count=3)
            assert "WATCHDOG" not in heard.until(lambda message: "4 to be written" in message.get("STATUS", ""))
        heard.told("WATCHDOG")
        assert world.at_rest() == {"completed": 4}
