"""One child: its process, what the supervisor shares with it, and how far it has come."""

import asyncio
import enum
import signal
from dataclasses import dataclass, field

from currant.protocol.cells import Cells
from currant.protocol.work import ToChild
from currant.supervisor.generations import Generation
from currant.supervisor.link import Link
from currant.supervisor.places import Role


class State(enum.StrEnum):
    """Of a child: BOOTING until its Hello, READY for work, LEAVING when it lost its place, ENDED when it is gone."""

    BOOTING = "booting"
    READY = "ready"
    LEAVING = "leaving"
    ENDED = "ended"


class Restart(enum.StrEnum):
    """Why a process takes another's place."""

    #: It ended by itself, was killed, or its fork server ended.
    DIED = enum.auto()
    #: It had finished as many executions as one may.
    EXECUTIONS = enum.auto()
    #: It had become too large.
    MEMORY = enum.auto()
    #: There is new code.
    RELOAD = enum.auto()
    #: Its event loop did not answer.
    STALLED = enum.auto()
    #: What it ran was past its timeout, or was cancelled, and nothing else could end it.
    TIMEOUT = enum.auto()
    #: It was not ready in time, or a start hook failed, or it could not be forked.
    BOOT = enum.auto()
    #: Somebody asked for it.
    ASKED = enum.auto()


@dataclass(eq=False)
class Child:
    """A child's process, or one that is being forked."""

    #: Of all children of this supervisor's life it alone has this number; a later one has a greater.
    id: int
    #: What people call it: the number of its place, which those before and after it share.
    place: int
    role: Role
    generation: Generation
    cells: Cells
    link: Link
    state: State = State.BOOTING
    pid: int | None = None
    pidfd: int | None = None
    status: int | None = None
    reported: asyncio.Event = field(default_factory=asyncio.Event)
    drained: asyncio.Event = field(default_factory=asyncio.Event)
    problem: str | None = None
    #: A hook of the user's, or a module, failed in it before it was ready.
    boot_failed: bool = False
    #: It was told to end: what it still ran has not crashed.
    dismissed: bool = False
    #: Why we ended it to start another in its place: that is no death.
    replaced: str | None = None
    #: Why another is to take its place, while it goes on: for people, and for the counts.
    retiring: str | None = None
    retired_for: Restart | None = None
    #: Why we kill it, for the counts.
    killed_for: Restart | None = None
    #: The first of a generation that does not fork yet: whoever asked for it tells of its failure.
    on_trial: bool = False
    boot_timer: asyncio.TimerHandle | None = None
    #: When it said Hello, and when it ended.
    ready_at: float | None = None
    ended_at: float | None = None
    #: What load.py last found.
    busy_slot_s: float = 0.0
    cpu_s: float = 0.0
    memory_bytes: int = 0
    memory_at: float = float("-inf")

    def send(self, message: ToChild, bytes_max: int | None = None) -> None:
        self.link.send(message, bytes_max)

    @property
    def unread_bytes(self) -> int:
        return self.link.unread_bytes

    def clear(self, cells: list[int]) -> None:
        self.cells.clear(cells)

    def is_started(self, cell: int) -> bool:
        return self.cells.is_started(cell)

    def kill(self) -> None:
        """Ends the process by its pidfd, which cannot mean another process."""
        if self.pidfd is not None:
            try:
                signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
            except ProcessLookupError:
                pass
