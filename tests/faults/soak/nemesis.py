"""The one who breaks things: faults drawn at random, with all their parameters, from a seed."""

import contextlib
import os
import random
import signal
import time
from collections.abc import Callable

from tests.faults.servers import Server
from tests.faults.trial import Trial
from tests.nodes import Node


class Nemesis:
    """Strikes at one node and its server. What is drawn does not depend on what is there: a seed can be replayed."""

    def __init__(self, draw: random.Random, trial: Trial, server: Server, start: Callable[[], Node]) -> None:
        self._draw = draw
        self._trial = trial
        self._server = server
        self._start = start
        self.node = start()
        #: The node that has been asked for a reload, and how many it had ended before.
        self._asked: tuple[Node, int] | None = None
        #: By weight: deaths of children are kept below what puts their place to rest.
        self._faults: list[tuple[Callable[[], str], int]] = [
            (self._kill_child, 4),
            (self._stop_child, 3),
            (self._kill_fork_server, 2),
            (self._kill_supervisor, 2),
            (self._terminate, 2),
            (self._reload, 2),
            (self._grow_and_shrink, 1),
            (self._dump_stacks, 1),
            (self._end_connections, 3),
            (self._restart_server, 2),
        ]

    def strike(self) -> str:
        """Does one fault, to its end; returns what it was."""
        faults, weights = zip(*self._faults, strict=True)
        (fault,) = self._draw.choices(faults, weights)
        return fault()  # type: ignore[no-any-return]

    def has_reloaded(self) -> bool:
        """Whether the node has ended a reload, well or not, since it was asked for one, if it was."""
        if self._asked is not None:
            node, before = self._asked
            if node is self.node and _reloads(node) == before:
                return False
            self._asked = None
        return True

    def _kill_child(self) -> str:
        if (pid := self._drawn_child()) is not None:
            _kill(pid, signal.SIGKILL)
        return "a child killed"

    def _stop_child(self) -> str:
        pid, seconds = self._drawn_child(), self._draw.uniform(0.1, 2.0)
        if pid is not None:
            _kill(pid, signal.SIGSTOP)
            time.sleep(seconds)
            _kill(pid, signal.SIGCONT)
        return f"a child stopped for {seconds:.1f} s"

    def _kill_fork_server(self) -> str:
        for pid in self.node.fork_servers():
            _kill(pid, signal.SIGKILL)
        return "the fork server killed"

    def _kill_supervisor(self) -> str:
        self.node.process.kill()
        self.node.process.wait()
        self.node = self._start()
        return "the supervisor killed and started again"

    def _terminate(self) -> str:
        twice = self._draw.random() < 0.3
        self.node.send(signal.SIGTERM)
        if twice:
            self.node.send(signal.SIGTERM)
        assert self.node.process.wait(120) == 0, self.node.log
        self.node = self._start()
        return f"SIGTERM{' twice' * twice}, and a new start"

    def _reload(self) -> str:
        if self._asked is None or self._asked[0] is not self.node:
            self._asked = self.node, _reloads(self.node)
        self.node.send(signal.SIGHUP)
        return "SIGHUP"

    def _grow_and_shrink(self) -> str:
        self.node.send(signal.SIGTTIN)
        time.sleep(self._draw.uniform(0, 1))
        self.node.send(signal.SIGTTOU)
        return "a child more and a child less"

    def _dump_stacks(self) -> str:
        self.node.send(signal.SIGUSR1)
        return "SIGUSR1"

    def _end_connections(self) -> str:
        which = self._draw.choice(["currantd:listen", "currantd:claim", "currantd:complete", "currantd:%"])
        self._trial.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name LIKE %s AND pid <> pg_backend_pid()",
            which,
        )
        return f"connections ended: {which}"

    def _restart_server(self) -> str:
        seconds = self._draw.uniform(0, 1.5)
        self._server.end_at_once()
        time.sleep(seconds)
        self._server.start()
        self._trial.reconnect()
        return f"Postgres ended at once, and away for {seconds:.1f} s"

    def _drawn_child(self) -> int | None:
        fraction = self._draw.random()
        children = sorted(self.node.children())
        return children[int(fraction * len(children))] if children else None


def _kill(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _reloads(node: Node) -> int:
    return len(node.told("reloaded")) + len(node.told("reload failed"))
