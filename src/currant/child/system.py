"""What a process of ours asks of Linux: to die with its parent, to leave signals to the supervisor, to go first when
memory runs out."""

import contextlib
import ctypes
import faulthandler
import os
import signal
import sys

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_OOM_SCORE_ADJ = 300

_LEFT = (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP)

_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent(parent: int) -> bool:
    """Has the kernel kill this process when its parent's thread ends; returns False when that has happened already.

    Must be called after the fork, which clears it, and from the main thread.

    Raises:
        OSError: the kernel refused.
    """
    if _libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    return os.getppid() == parent


def adopt_orphans() -> None:
    """Has what descends from this process, and loses its parent, become this one's child; no harm if that is refused.

    A fork clears it.
    """
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def leave_signals_to_supervisor() -> None:
    """Lets them pass: the supervisor decides when this process ends, also when all of its group are signalled."""
    # A handler that does nothing, not SIG_IGN: exec keeps the latter, and the user's subprocesses would not end.
    for number in _LEFT:
        signal.signal(number, _pass)


def hold_signals() -> set[signal.Signals]:
    """Keeps those from this thread, and from what it forks, until `release_signals` gets what this returns."""
    return signal.pthread_sigmask(signal.SIG_BLOCK, _LEFT)  # type: ignore[return-value]


def release_signals(mask: set[signal.Signals]) -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def take_signals() -> None:
    """Undoes that for a copy of the process, which is not the supervisor's. Raises ValueError in a thread."""
    for number in _LEFT:
        if signal.getsignal(number) is _pass:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


def write_stacks_to(fd: int, number: int) -> None:
    """Has every later signal of this number write the Python stacks of all threads to `fd`, whatever they do then.

    In C and at once: it needs neither the event loop nor the interpreter's lock.
    """
    faulthandler.register(number, file=fd, all_threads=True)


def offer_to_oom_killer() -> None:
    """Makes the kernel prefer this process to the supervisor when memory runs out; no harm if it refuses."""
    with contextlib.suppress(OSError, ValueError), open("/proc/self/oom_score_adj", "r+") as file:
        if int(file.read()) < _OOM_SCORE_ADJ:
            file.seek(0)
            file.write(str(_OOM_SCORE_ADJ))


def flush_stdio() -> None:
    """Writes out what is buffered, which a fork would double and `os._exit` drop; a closed pipe does not matter."""
    for stream in (sys.stdout, sys.stderr):
        # User code may have put anything there.
        with contextlib.suppress(Exception):
            stream.flush()


def _pass(_number: int, _frame: object) -> None:
    pass
