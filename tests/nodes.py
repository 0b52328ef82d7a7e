"""Real nodes: `currantd` as a process, and what a test asks the database about its executions."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import msgspec
import psycopg

from currant import proc
from currant.backends import NewExecution
from currant.identifiers import new_ids
from currant.protocol.status import StatusReply
from currant.store import connections, queries
from currant.store import enqueue as store_enqueue
from currant.supervisor.asking import ask
from currant.supervisor.events import Event
from tests.ledger import LedgerFile, Run, Verdict, judge
from tests.support import HANGS_S

#: The folders of the modules that the nodes import.
JOBS = f"{Path(__file__).parent / 'process'}{os.pathsep}{Path(__file__).parent / 'faults'}"
__all__ = ["CURRANTD", "HANGS_S", "JOBS", "Node", "Run", "World", "eventually", "is_alive"]

CURRANTD = [sys.executable, "-m", "currant.cli.currantd"]


def eventually(condition: Callable[[], Any], within_s: float = HANGS_S) -> Any:
    """Waits until the condition is true and returns what it is."""
    deadline = time.monotonic() + within_s
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {within_s:g} s: {condition}"
        time.sleep(0.01)
    return value


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that has ended and waits to be reaped does not."""
    process = proc.stat(pid)
    return process is not None and process.state not in "ZX"


class Node:
    """A `currantd` that the test started."""

    def __init__(
        self,
        folder: Path,
        url: str,
        ledger: Path,
        *args: str,
        module: str = "jobs",
        output: int | None = None,
        env: dict[str, str],
    ) -> None:
        """`output`: a descriptor to write to; by default a file, in which `log` and `told` look."""
        self.folder = folder
        self.log_file = folder / "log"
        folder.mkdir(exist_ok=True)
        # A node before, in the same folder, wrote to the same file.
        self._log_from = self.log_file.stat().st_size if self.log_file.is_file() else 0
        environment = {
            **os.environ,
            "CURRANT_DATABASE_URL": url,
            "CURRANT_RUNTIME_DIR": str(folder / "run"),
            "CURRANT_RETRY_BASE_S": "0.2",
            "PYTHONPATH": JOBS,
            "TEST_LEDGER": str(ledger),
            **env,
        }
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [*CURRANTD, *(["-m", module] if module else []), *args],
                cwd=folder,
                env=environment,
                stdout=log if output is None else output,
                stderr=log if output is None else output,
            )

    @property
    def log(self) -> str:
        """What has been logged since this node's start."""
        with self.log_file.open("rb") as file:
            file.seek(self._log_from)
            # The last line may be half written.
            return file.read().decode(errors="replace")

    def told(self, event: str) -> list[dict[str, Any]]:
        """Returns the fields of the log's lines of an event, in their order."""
        lines = [_fields(line) for line in self.log.splitlines() if line.startswith("{")]
        return [fields for fields in lines if fields.get("event") == event]

    def ready(self) -> "Node":
        eventually(lambda: self.told(Event.READY) or self.process.poll() is not None)
        assert self.process.poll() is None, self.log
        return self

    def status(self) -> StatusReply:
        return ask(self.folder / "run" / "control.sock")

    def children(self) -> list[int]:
        """Returns the pids of the children that do the work: those of the quarantine come and go."""
        return [child.pid for child in self.status().children if child.pid is not None and child.role == "work"]

    def fork_servers(self) -> list[int]:
        """Returns the pids of the supervisor's own children."""
        with contextlib.suppress(OSError):
            pid = self.process.pid
            return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        return []

    def descendants(self) -> list[int]:
        """Returns the pids of the fork server and of its children, as the kernel knows them."""
        found, ahead = [], [self.process.pid]
        while ahead:
            pid = ahead.pop()
            with contextlib.suppress(OSError):
                below = [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
                found += below
                ahead += below
        return found

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def stop(self, within_s: float = HANGS_S) -> int:
        """Asks for a drain and returns the exit code."""
        self.send(signal.SIGTERM)
        return self.process.wait(within_s)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def _fields(line: str) -> dict[str, Any]:
    with contextlib.suppress(ValueError):
        fields = json.loads(line)
        if isinstance(fields, dict):
            return fields
    return {}


class World:
    """The test's database, its ledger, and its nodes."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.folder = folder
        self.ledger_file = folder / "ledger"
        self.ledger_file.touch()
        self.ledger = LedgerFile(self.ledger_file)
        self.nodes: list[Node] = []
        #: Where nodes that start from now on write; None: each to a file of its own.
        self.output: int | None = None
        self._connection = psycopg.connect(url, autocommit=True)

    def use_ledger(self, file: Path) -> None:
        """Has the jobs of nodes that start from now on write there: another user's cannot write where the test does."""
        self.ledger_file, self.ledger = file, LedgerFile(file)

    def start(self, *args: str, module: str = "jobs", folder: Path | None = None, **env: str) -> Node:
        """Starts a node without waiting for it. `folder`: of a node before, whose runtime directory it takes over."""
        where = folder or self.folder / f"node{len(self.nodes)}"
        node = Node(where, self.url, self.ledger_file, *args, module=module, output=self.output, env=env)
        self.nodes.append(node)
        return node

    def node(self, *args: str, module: str = "jobs", folder: Path | None = None, **env: str) -> Node:
        """Starts a node and waits until it is ready."""
        return self.start(*args, module=module, folder=folder, **env).ready()

    def enqueue(self, function: str, *args: Any, count: int = 1, queue: str = "test", **options: Any) -> list[str]:
        """Enqueues `count` equal executions; `options` are fields of NewExecution."""
        name = function if "." in function else f"jobs.{function}"
        fields = {"priority": 5, "kwargs": b"{}", "options": b"{}", "max_retries": 3, "timeout_s": None, **options}
        new = NewExecution(function=name, queue=queue, args=msgspec.json.encode(args), **fields)

        async def write() -> list[str]:
            ids = new_ids(count)
            connection = await connections.connect(self.url, "tests")
            await store_enqueue.enqueue(connection, ids, [new] * count)
            await connection.close()
            return ids

        return asyncio.run(write())

    def cancel(self, *ids: str) -> set[str]:
        """Cancels executions as an application does; returns the ids of those that had not ended."""

        async def write() -> set[str]:
            connection = await connections.connect(self.url, "tests")
            cancelled = await queries.cancel(connection, ids)
            await connection.close()
            return cancelled

        return asyncio.run(write())

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        return self._connection.execute(query, values or None).fetchall()

    def row(self, id: str) -> dict[str, Any]:
        """Returns one execution by column."""
        cursor = self._connection.execute("SELECT * FROM executions WHERE id = %s", (id,))
        assert cursor.description is not None
        values = cursor.fetchone()
        assert values is not None
        return dict(zip([column.name for column in cursor.description], values, strict=True))

    def states(self) -> Counter[str]:
        return Counter(dict(self.rows("SELECT status, count(*) FROM executions GROUP BY status")))

    def at_rest(self, within_s: float = HANGS_S) -> Counter[str]:
        """Waits until every execution has ended, and returns how many ended how."""

        def rested() -> Counter[str] | None:
            states = self.states()
            return states if states.keys() <= {"completed", "failed", "cancelled"} else None

        return eventually(rested, within_s)  # type: ignore[no-any-return]

    def runs(self, what: str = "start") -> list[Run]:
        """Returns the ledger's lines of one kind, in the order of their writing."""
        return list(self.ledger.read()[what])

    def begun(self, ids: Collection[str], times: int = 1) -> None:
        """Waits until each of these has begun at least so many times, by the ledger."""
        wanted = set(ids)

        def have_begun() -> bool:
            count = Counter(run.id for run in self.runs() if run.id in wanted)
            return len(count) == len(wanted) and min(count.values()) >= times

        eventually(have_begun)

    def open_gate(self) -> None:
        """Lets all `gated` jobs end, those that begin later too."""
        Path(f"{self.ledger_file}.gate").touch()

    def verdict(self, ids: Collection[str] = (), twice: Collection[str] = ()) -> Verdict:
        """Compares database and ledger: what is lost of `ids` and of all rows, and what ran twice and must not have."""
        rows = self.rows("SELECT id, status, function_name FROM executions")
        runs = self.runs()
        return judge(ids, rows, runs, twice)

    def check_ledger(self, enqueued: int, twice: Collection[str] = ()) -> None:
        """The ledger test, at rest: each enqueued execution has one outcome, none ran twice but those that may have."""
        verdict = self.verdict(twice=twice)
        assert verdict.executions == enqueued
        verdict.check()

    def reconnect(self) -> None:
        """After the server's restart: for the questions of the test itself."""
        self._connection.close()
        self._connection = psycopg.connect(self.url, autocommit=True)

    def close(self) -> None:
        for node in self.nodes:
            node.end()
        self._connection.close()
