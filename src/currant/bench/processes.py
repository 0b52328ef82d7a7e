"""The CPU and the memory of the processes of a run, from outside: the supervisor, its fork servers, its children."""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from currant import proc
from currant.bench.results import Memory
from currant.protocol.status import ChildStatus


@dataclass(slots=True)
class _Uses:
    """What processes have used so far. One that has ended keeps what was seen last."""

    #: By pid: a run is too short for the kernel to give one twice.
    cpu_s: dict[int, float] = field(default_factory=dict)

    def look(self, pids: Iterable[int]) -> None:
        for pid in pids:
            if (seconds := proc.cpu_s(pid)) is not None:
                self.cpu_s[pid] = seconds

    @property
    def total_s(self) -> float:
        return sum(self.cpu_s.values())


class Processes:
    """Looks at the processes of one `currantd` whenever it is told to, and remembers those that have ended."""

    def __init__(self, helpers: Callable[[], Iterable[int]]) -> None:
        """
        Args:
            helpers: returns the bench's own other processes, whose CPU counts as the bench's.
        """
        self._helpers = helpers
        self._supervisor, self._children, self._bench = _Uses(), _Uses(), _Uses()
        self._supervisor_pid = 0
        self._fork_servers: set[int] = set()
        #: By the pid of each child that there has been.
        self._places: dict[int, int] = {}
        self._children_bytes = 0
        self._peaks: dict[int, int] = {}
        #: By place, the most that a child of it was seen with.
        self.child_bytes_max: dict[int, int] = {}

    def look(self, supervisor: int, children: Sequence[ChildStatus]) -> None:
        """Looks at the CPU: one system call for each process."""
        self._supervisor_pid = supervisor
        alive = {child.pid: child.child for child in children if child.pid is not None}
        for pid in alive.keys() - self._places.keys():
            self._note_parent(pid)
        self._places.update(alive)
        self._children.look(alive)
        self._supervisor.look({supervisor} | self._fork_servers)
        self._bench.look({os.getpid(), *self._helpers()})

    def look_at_memory(self, children: Sequence[ChildStatus]) -> None:
        """Looks at the memory: one file of /proc for each process."""
        total = 0
        for child in children:
            if child.pid is not None and (size := proc.resident_bytes(child.pid)) is not None:
                total += size
                self.child_bytes_max[child.child] = max(size, self.child_bytes_max.get(child.child, 0))
        self._children_bytes = max(total, self._children_bytes)
        for pid in {self._supervisor_pid} | self._fork_servers:
            if (size := proc.peak_bytes(pid)) is not None:
                self._peaks[pid] = size

    @property
    def supervisor_cpu_s(self) -> float:
        """Of the supervisor and its fork servers."""
        return self._supervisor.total_s

    @property
    def children_cpu_s(self) -> float:
        return self._children.total_s

    @property
    def bench_cpu_s(self) -> float:
        return self._bench.total_s

    def place_cpu_s(self) -> dict[int, float]:
        """Returns what the children of each place have used, one after the other."""
        found: dict[int, float] = {}
        for pid, seconds in self._children.cpu_s.items():
            found[self._places[pid]] = found.get(self._places[pid], 0.0) + seconds
        return found

    @property
    def memory(self) -> Memory:
        """The peaks: the kernel's own of supervisor and fork servers, and the largest sum that the children were
        seen with."""
        return Memory(
            supervisor=self._peaks.get(self._supervisor_pid, 0),
            children=self._children_bytes,
            fork_server=sum(self._peaks.get(pid, 0) for pid in self._fork_servers),
        )

    def _note_parent(self, child: int) -> None:
        # Of a fork server that has ended the kernel has given the children to somebody else.
        if (
            (found := proc.stat(child))
            and (parent := proc.stat(found.parent))
            and parent.parent == self._supervisor_pid
        ):
            self._fork_servers.add(found.parent)
