"""A trial: a world in which something breaks. It stamps the fault and the recovery, and ends with the ledger test."""

import time
from collections.abc import Collection
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
import psycopg

from currant.errors import CurrantError
from tests.ledger import LEFT_RUNNING, WITH_LEASE, Verdict
from tests.nodes import HANGS_S, Node, World, eventually


class Record(msgspec.Struct):
    """What a test reports; `lost` and `doubled` are None when nothing was counted, because the test failed before."""

    executions: int = 0
    lost: int | None = None
    doubled: int | None = None
    recoveries_s: list[float] = []


class Fault:
    """The moment of a fault: of the call, or, as a context, of the end of what it holds."""

    def __init__(self) -> None:
        self.at = time.time()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.at = time.time()


class Trial(World):
    """A World whose faults are timed and whose ledger goes into the report of `make crash`."""

    def __init__(self, url: str, folder: Path, executions: int | None) -> None:
        super().__init__(url, folder)
        #: Whether this is `make crash`, with time for more.
        self.crash = executions is not None
        self.record = Record()
        self._executions = executions
        self._ids: list[str] = []
        self._fault: Fault | None = None
        self._checked = False

    def count(self, small: int) -> int:
        """Returns how many executions the test should use: `small` in `make test`, 10,000 in `make crash`."""
        return max(small, self._executions or 0)

    def enqueue(self, function: str, *args: Any, count: int = 1, queue: str = "test", **options: Any) -> list[str]:
        ids = super().enqueue(function, *args, count=count, queue=queue, **options)
        self._ids += ids
        return ids

    def node(self, *args: str, module: str = "jobs", folder: Path | None = None, **env: str) -> Node:
        """Starts a node and waits until all of its children are ready: a node is when its first child is."""
        node = super().node(*args, module=module, folder=folder, **env)
        # Elsewhere, nobody knows where to ask.
        if "CURRANT_RUNTIME_DIR" not in env:
            eventually(lambda: _is_whole(node))
        return node

    def begin_with_backlog(self, *, quick: int, long: int) -> tuple[list[str], list[str], list[str]]:
        """Waits until `long` executions run, at a gate, on as many slots; the children most likely have a backlog.

        Returns the ids of the quick ones, which give the children their pace and are over by then or nearly so, of the
        long ones, and of 300 that wait.
        """
        ids = (
            self.enqueue("echo", count=quick, priority=9),
            self.enqueue("gated", count=long, priority=8),
            self.enqueue("echo", count=300, priority=7),
        )
        self.begun(ids[1])
        return ids

    def at_rest(self, within_s: float | None = None) -> Any:
        return super().at_rest(within_s or (900.0 if self.crash else HANGS_S))

    def fault(self) -> Fault:
        """Stamps the moment of a fault: of this call, or in a `with`, of the block's end."""
        self._fault = Fault()
        return self._fault

    def recovered(self, at: float | None = None) -> float:
        """Stamps the recovery from the last fault; returns the seconds that it took.

        Args:
            at: the moment, as in the ledger's lines; now if None.
        """
        return self.measured((at or time.time()) - self.fault_at)

    @property
    def fault_at(self) -> float:
        """When the last fault was, as in the ledger's lines."""
        assert self._fault is not None, "no fault was stamped"
        return self._fault.at

    def measured(self, recovery_s: float) -> float:
        """Reports a recovery that took so many seconds, and returns it."""
        self.record.recoveries_s.append(recovery_s)
        return recovery_s

    def promised(self, seconds: float, busy: float) -> float:
        """Returns a limit of time: in `make crash`, beside which nothing runs, what is promised; else `busy`."""
        return seconds if self.crash else busy

    def crashed(self) -> set[str]:
        """Returns the ids of those whose child died under them, and which may have run again for that."""
        return {id for (id,) in self.rows("SELECT id FROM executions WHERE crashes > 0")}

    def check_ledger(self, enqueued: int | None = None, twice: Collection[str] = ()) -> None:
        """The ledger test, at rest, which goes into the report.

        Args:
            enqueued: how many rows there must be; if None, as many as `enqueue` wrote.
            twice: those that may have run more than once.
        """
        self._checked = True
        verdict = self._note(self.verdict(self._ids, twice))
        assert verdict.executions == (len(self._ids) if enqueued is None else enqueued)
        verdict.check()

    def finish(self, *, failed: bool) -> None:
        """Counts, unless the test failed or did so itself: no acknowledged enqueue is gone, no lease ran twice."""
        if failed or self._checked or not self._ids:
            return
        try:
            verdict = self.verdict(self._ids)
        except psycopg.OperationalError:
            # The test has ended connections, or the server.
            self.reconnect()
            verdict = self.verdict(self._ids)
        # What a test leaves running is no loss, and what may run twice the test alone knows.
        lost = [line for line in verdict.lost if not line.endswith(LEFT_RUNNING)]
        doubled = [line for line in verdict.doubled if WITH_LEASE in line]
        self._note(Verdict(verdict.executions, lost, doubled)).check()

    def _note(self, verdict: Verdict) -> Verdict:
        self.record.executions = verdict.executions
        self.record.lost = len(verdict.lost)
        self.record.doubled = len(verdict.doubled)
        return verdict


def _is_whole(node: Node) -> bool:
    try:
        return all(child.state == "ready" for child in node.status().children)
    except CurrantError:
        # Its database does not answer at the moment.
        return False
