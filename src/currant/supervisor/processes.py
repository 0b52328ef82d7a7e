"""What Linux knows of a child's process, and the signals that are sent to it."""

import asyncio
import contextlib
import enum
import signal
from typing import Protocol

from currant import proc

#: How long a process may take to stop: one that waits in the kernel for a disk does not stop before it has it.
STOP_S = 1.0
_LOOK_S = 0.001


class Process(Protocol):
    """A child, as far as it is a process."""

    @property
    def pid(self) -> int | None: ...
    @property
    def pidfd(self) -> int | None: ...


class Condition(enum.StrEnum):
    """What the main thread of a process does, by the word of /proc."""

    RUNNING = "running"
    SLEEPING = "sleeping"
    IN_KERNEL = "waiting in the kernel (disk sleep)"
    STOPPED = "stopped (SIGSTOP)"
    TRACED = "stopped by a debugger"
    ENDED = "ended"
    UNKNOWN = "unknown"


_CONDITIONS = {
    "R": Condition.RUNNING,
    "S": Condition.SLEEPING,
    "D": Condition.IN_KERNEL,
    "T": Condition.STOPPED,
    "t": Condition.TRACED,
    "Z": Condition.ENDED,
    "X": Condition.ENDED,
}
HELD = frozenset({Condition.STOPPED, Condition.TRACED})


def condition(process: Process) -> Condition:
    """Returns what the process does now."""
    stat = None if process.pid is None else proc.stat(process.pid)
    return Condition.ENDED if stat is None else _CONDITIONS.get(stat.state, Condition.UNKNOWN)


def send(process: Process, number: int) -> None:
    """Sends a signal by the pidfd, which cannot mean another process; nothing when it has ended."""
    if process.pidfd is not None:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(process.pidfd, number)


async def hold(process: Process) -> bool:
    """Stops the process and returns whether it has, within STOP_S; `let_go` it afterwards in either case."""
    send(process, signal.SIGSTOP)
    # A signal is only sent: on another processor the process goes on for some microseconds.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(STOP_S):
            while (now := condition(process)) not in HELD:
                if now is Condition.ENDED:
                    return False
                await asyncio.sleep(_LOOK_S)
            return True
    return False


def let_go(process: Process) -> None:
    send(process, signal.SIGCONT)
