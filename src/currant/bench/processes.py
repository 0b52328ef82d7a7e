"""The processes of a run that `currantd` does not tell of, from outside: itself, its fork servers, and the bench's."""

import os
from collections.abc import Callable, Iterable, Sequence

from currant import proc
from currant.protocol.status import ChildStatus


class Processes:
    """Looks at them whenever it is told to, one system call for each, and remembers those that have ended."""

    def __init__(self, helpers: Callable[[], Iterable[int]]) -> None:
        """
        Args:
            helpers: returns the bench's own other processes.
        """
        self._helpers = helpers
        self._supervisor_pid = 0
        self._fork_servers: set[int] = set()
        #: Children whose parent is known.
        self._known: set[int] = set()
        # By pid: a run is too short for the kernel to give one twice.
        self._supervisor: dict[int, float] = {}
        self._bench: dict[int, float] = {}

    def look(self, supervisor: int, children: Sequence[ChildStatus]) -> None:
        """Looks at the CPU."""
        self._supervisor_pid = supervisor
        for pid in {child.pid for child in children if child.pid is not None} - self._known:
            self._note_parent(pid)
            self._known.add(pid)
        _note_cpu(self._supervisor, {supervisor} | self._fork_servers)
        _note_cpu(self._bench, {os.getpid(), *self._helpers()})

    @property
    def supervisor_cpu_s(self) -> float:
        """Of the supervisor and its fork servers."""
        return sum(self._supervisor.values())

    @property
    def bench_cpu_s(self) -> float:
        return sum(self._bench.values())

    def supervisor_bytes(self) -> int:
        """Returns the most memory that the supervisor has had; 0 where that is not to be seen."""
        return proc.peak_bytes(self._supervisor_pid) or 0

    def fork_server_bytes(self) -> int:
        """Returns the most memory that the fork servers have had which are there now, each of them."""
        return sum(proc.peak_bytes(pid) or 0 for pid in self._fork_servers)

    def _note_parent(self, child: int) -> None:
        # Of a fork server that has ended the kernel has given the children to somebody else.
        found = proc.stat(child)
        parent = proc.stat(found.parent) if found else None
        if found and parent and parent.parent == self._supervisor_pid:
            self._fork_servers.add(found.parent)


def _note_cpu(used_s: dict[int, float], pids: Iterable[int]) -> None:
    for pid in pids:
        if (seconds := proc.cpu_s(pid)) is not None:
            used_s[pid] = seconds
