"""Copies of a child: processes that user code forks from it and that do not exec, by os.fork or multiprocessing.

A copy has everything of the child's, also its socket, its event loop and the executions beside the one that forked. It
must not speak for the child, nor run what the child runs. So it loses the socket, and ends where its code would go back
to the loop, or to the pool of threads, that called it.
"""

import concurrent.futures.thread
import contextlib
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterable
from types import CodeType, FrameType
from typing import Any, NoReturn

from currant.child import system

#: Whether this process is a copy.
here = False


def make_harmless(
    socket_fd: int, refuse: Callable[[], None], loops: Iterable[CodeType], calls: Iterable[CodeType]
) -> None:
    """Has every later copy of this process do no harm.

    Args:
        socket_fd: the descriptor that no copy is to speak or listen on.
        refuse: called in the copy: what user code asks of the supervisor fails from then on.
        loops: what runs event loops: user code that returns to there has ended.
        calls: what calls user code in threads, and ends with it.
    """
    loops, calls = frozenset(loops), frozenset(calls) | {concurrent.futures.thread._WorkItem.run.__code__}

    def leave(frame: FrameType, event: str, _arg: Any) -> None:
        # A coroutine that waits returns as well.
        if event == "return" and (frame.f_code in calls or (frame.f_back is not None and frame.f_back.f_code in loops)):
            system.flush_stdio()
            os._exit(0)

    before = threading.local()

    def hold() -> None:
        before.mask = system.hold_signals()

    def release() -> None:
        system.release_signals(before.mask)

    def begin() -> None:
        global here
        here = True
        with contextlib.suppress(OSError):
            # Its number stays taken, so that nothing of the copy's is mistaken for it; the child's own is not touched.
            nowhere = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
            os.dup2(nowhere, socket_fd, inheritable=False)
            os.close(nowhere)
        with contextlib.suppress(ValueError):
            # Else its signals would wake the child.
            signal.set_wakeup_fd(-1)
            system.take_signals()
        # One that came meanwhile, of a parent in a hurry to terminate it, ends it now.
        release()
        refuse()
        if not _is_of_multiprocessing():
            # It slows down what the copy runs. What is of multiprocessing never returns.
            sys.setprofile(leave)

    os.register_at_fork(before=hold, after_in_parent=release, after_in_child=begin)


def leave(error: BaseException) -> NoReturn:
    """Ends this copy, as a Python program ends by this exception."""
    code = 1
    with contextlib.suppress(BaseException):
        if issubclass(type(error), SystemExit):
            code = error.code if isinstance(error.code, int) else int(error.code is not None)  # type: ignore[attr-defined]
        else:
            traceback.print_exception(error)
    system.flush_stdio()
    os._exit(code & 0xFF)


def _is_of_multiprocessing() -> bool:
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_globals.get("__name__") == "multiprocessing.popen_fork":
            return True
        frame = frame.f_back
    return False
