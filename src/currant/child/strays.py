"""Strays: processes that user code started and that outlived the child they belong to.

Theory of operation. Each child is a subreaper of Linux: what its user code starts, and what that starts in turn,
daemons too, becomes the child's own when its parents end. So is the fork server: when a child ends, all that is left of
it becomes the fork server's own at once, beside the children and what the user's modules had started before. Nothing
else can be there, so whatever is, is a stray.
"""

import contextlib
import os
import select
import signal
import time
from collections.abc import Collection, Iterable
from pathlib import Path

from currant import proc

#: How long a stray may take to end by itself, when it was asked to.
TERM_S = 2.0
#: At the end of the fork server: how long its children, and then the strays, may take to be gone.
END_S = 0.5


def children_of_this() -> set[int]:
    """Returns the pids of the processes whose parent this one is, zombies too.

    Raises:
        OSError: out of descriptors, say.
    """
    found: set[int] = set()
    try:
        for task in os.listdir("/proc/self/task"):
            found.update(map(int, Path(f"/proc/self/task/{task}/children").read_text().split()))
    except FileNotFoundError:
        # A kernel without that file, or a thread that has just ended.
        this = os.getpid()
        pids = map(int, filter(str.isdigit, os.listdir("/proc")))
        found = {pid for pid in pids if (process := proc.stat(pid)) and process.parent == this}
    return found


def reap_adopted() -> None:
    """Takes leave of what has ended and certainly was not started by this process itself.

    User code may still want to hear how its own subprocesses ended: those are in this process's session, or lead one.
    """
    session = os.getsid(0)
    for pid in children_of_this():
        process = proc.stat(pid)
        if process and process.state == "Z" and process.session not in (session, pid):
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)


class Strays:
    """Asks strays for their end, and kills those that do not listen, beside a poll loop of the caller's."""

    def __init__(self, poll: "select.poll") -> None:
        """`poll`: tells when one has ended, by a descriptor that `take` knows."""
        self._poll = poll
        self._pids: dict[int, int] = {}
        self._spared: set[int] = set()
        #: Whether what was there before is known: else nothing is a stray.
        self._is_sure = False
        self._kill_at: float | None = None

    @property
    def descriptors(self) -> Iterable[int]:
        """The descriptors that are polled."""
        return self._pids

    def spare_present(self) -> None:
        """What is there now, before the first child, was started by the user's modules and stays."""
        with contextlib.suppress(OSError):
            self._spared = children_of_this()
            self._is_sure = True

    def look(self, children: Collection[int]) -> None:
        """To be called when a child has ended, and been waited for; `children`: the pids of those that live."""
        new = self._left() - set(self._pids.values()) - set(children)
        for pid in new:
            try:
                pidfd = os.pidfd_open(pid)
            except OSError:
                # Out of descriptors.
                _signal(pid, signal.SIGKILL)
                continue
            self._pids[pidfd] = pid
            self._poll.register(pidfd, select.POLLIN)
            _signal(pid, signal.SIGTERM)
        if new and self._kill_at is None:
            self._kill_at = time.monotonic() + TERM_S

    def take(self, fd: int) -> bool:
        """Takes leave of the stray of this descriptor; returns whether it was one. `look` is due then."""
        pid = self._pids.pop(fd, None)
        if pid is None:
            return False
        self._poll.unregister(fd)
        os.close(fd)
        _wait(pid)
        if not self._pids:
            self._kill_at = None
        return True

    def wait_ms(self) -> float | None:
        """Returns for how long the caller may poll before it calls `kill_late`; None: for ever."""
        return None if self._kill_at is None else max(0.0, 1000 * (self._kill_at - time.monotonic())) + 1

    def kill_late(self) -> None:
        """Kills those that had their time."""
        if self._kill_at is not None and time.monotonic() >= self._kill_at:
            for pid in self._pids.values():
                _signal(pid, signal.SIGKILL)
            self._kill_at = time.monotonic() + TERM_S

    def kill_all(self) -> None:
        """Kills all of them, and what they leave behind: the caller has no children any more, and ends."""
        until = time.monotonic() + END_S
        while (left := self._left()) and time.monotonic() < until:
            for pid in left:
                _signal(pid, signal.SIGKILL)
                _wait(pid)
            time.sleep(0.005)

    def _left(self) -> set[int]:
        with contextlib.suppress(OSError):
            if self._is_sure:
                return children_of_this() - self._spared
        return set()


def _signal(pid: int, number: signal.Signals) -> None:
    # It has not been waited for, so its number cannot be another's.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _wait(pid: int) -> None:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
