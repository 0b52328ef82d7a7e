"""The server's own word on a run: its counters, and the CPU of its processes when they are on this machine."""

import asyncio
import contextlib
import os
import socket
import struct
import time
from collections.abc import Mapping
from dataclasses import dataclass

import psycopg

from currant import proc
from currant.store import server_queries
from currant.store.connections import Connection, connect

NAME = "currant:bench-probe"
_PROGRAMS = ("postgres", "postmaster")
#: The server's word and the kernel's on when it was started differ by less, however slow the machine.
_START_S = 10.0
_READS_MAX = 5
#: Sessions that have ended have told theirs within milliseconds; one that rests tells the rest after ten seconds.
TOLD_S, POLL_S = 30.0, 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """The server's counters at a moment, since ever; None: it does not tell, or its processes are not to be seen here.

    `at_s` is Unix time of this machine.
    """

    at_s: float
    wal_bytes: int | None
    transactions: int | None
    cpu_s: float | None
    #: How often each of our statements was sent, by everybody, where the server counts by text.
    calls: dict[str, int] | None


class Server:
    """A connection of its own, on which nothing but counters is read, and only when `mark` is called."""

    def __init__(self, connection: Connection, *, postmaster: int | None, by_text: bool) -> None:
        """Use `open`."""
        self._connection, self._by_text = connection, by_text
        #: The server's first process; None: on another machine, or hidden.
        self.postmaster = postmaster
        #: From before whatever is measured.
        self.baseline = Mark(at_s=time.time(), wal_bytes=None, transactions=None, cpu_s=None, calls=None)

    @classmethod
    async def open(cls, url: str) -> "Server":
        """Connects, and takes the baseline: to be called before `currantd` is started.

        Raises DatabaseError.
        """
        connection = await connect(url, NAME)
        server = cls(
            connection,
            postmaster=await find_postmaster(connection),
            by_text=await server_queries.find_statements(connection),
        )
        # The first has the server told of this connection's beginning.
        await server.mark()
        server.baseline = await server.mark()
        return server

    async def mark(self) -> Mark:
        """Reads everything, with one statement or two. What cannot be read is None, as on a lost connection."""
        found = calls = None
        # A standby, and some that are like Postgres, keep none of these counters.
        with contextlib.suppress(psycopg.Error):
            found = await server_queries.counters(self._connection)
        with contextlib.suppress(psycopg.Error):
            calls = await server_queries.statements(self._connection) if self._by_text else None
        return Mark(
            at_s=time.time(),
            wal_bytes=found.wal_bytes if found else None,
            transactions=found.transactions if found else None,
            cpu_s=None if self.postmaster is None else server_cpu_s(self.postmaster),
            calls=calls,
        )

    async def told(self, sent: Mapping[str, int]) -> Mark:
        """Returns the counters when the server has told as many transactions as were sent, or after TOLD_S."""
        deadline = time.monotonic() + TOLD_S
        while True:
            mark = await self.mark()
            if mark.transactions is None or self.baseline.transactions is None or time.monotonic() > deadline:
                return mark
            if mark.transactions - self.baseline.transactions >= sum(sent.values()):
                return mark
            await asyncio.sleep(POLL_S)

    async def close(self) -> None:
        await self._connection.close()


def server_cpu_s(postmaster: int) -> float | None:
    """Returns the CPU seconds of all processes that the server has ever had; None when they cannot be seen."""
    total = None
    for _ in range(_READS_MAX):
        before, own = proc.stat(postmaster), proc.cpu_s(postmaster)
        alive = [proc.cpu_s(pid) or 0.0 for pid in proc.children(postmaster)]
        after = proc.stat(postmaster)
        if before is None or own is None or after is None:
            return None
        total = own + sum(alive) + before.reaped_cpu_s
        # One that ended in between is in neither sum, or in both.
        if before.reaped_cpu_s == after.reaped_cpu_s:
            break
    return total


async def find_postmaster(connection: Connection) -> int | None:
    """Returns the pid of the server's first process, if it is one that this process can see."""
    if not is_same_machine(connection):
        return None
    if (listener := _listener(connection)) is not None:
        return listener if _is_postgres(listener) else None
    identity = await server_queries.identity(connection)
    backend = proc.stat(identity.backend)
    postmaster = proc.stat(backend.parent) if backend else None
    if backend is None or postmaster is None or not (_is_postgres(identity.backend) and _is_postgres(backend.parent)):
        return None
    # In a container of its own the server knows other pids than we do, and one of ours may look the same by chance.
    age_s = time.clock_gettime(time.CLOCK_BOOTTIME) - postmaster.started_s
    return backend.parent if abs(age_s - identity.running_s) < _START_S else None


def is_same_machine(connection: Connection) -> bool:
    """Whether the server, or what stands before it, is here: behind a Unix socket, or one of our own addresses."""
    with _socket_of(connection) as end:
        return end.family == socket.AF_UNIX or bool(end.getsockname()[0] == end.getpeername()[0])


def _listener(connection: Connection) -> int | None:
    """Returns who made the Unix socket, by the pid that it has here; None for other sockets, 0 for one not seen."""
    with _socket_of(connection) as end:
        if end.family != socket.AF_UNIX:
            return None
        pid, _, _ = struct.unpack("3i", end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
        return int(pid)


def _socket_of(connection: Connection) -> socket.socket:
    return socket.socket(fileno=os.dup(connection.fileno()))


def _is_postgres(pid: int) -> bool:
    # Not a pooler in front of it.
    return proc.name(pid) in _PROGRAMS
