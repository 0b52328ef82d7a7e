"""What an import has left behind that a fork does not survive: threads, which the child lacks, and shared sockets."""

import contextlib
import os
import socket
import threading
from collections.abc import Iterable

from currant.child import failures

_FOUND_MAX = 20
_CHARS_MAX = 200


def open_sockets() -> set[str]:
    """Returns the sockets of this process as /proc names them."""
    return set(_sockets())


def unfit_for_forking(sockets_before: Iterable[str]) -> list[str]:
    """Returns what there is now beside the main thread and these sockets, each by its name."""
    found = [f"thread {each.name!r}" for each in threading.enumerate() if each is not threading.main_thread()]
    known = set(sockets_before)
    found += [_describe(fd) for link, fd in _sockets().items() if link not in known]
    return [failures.sendable(each[:_CHARS_MAX]) for each in found[:_FOUND_MAX]]


def _sockets() -> dict[str, int]:
    found: dict[str, int] = {}
    names: list[str] = []
    # Without a descriptor to spare nothing is found, and nothing can be forked either.
    with contextlib.suppress(OSError):
        names = os.listdir("/proc/self/fd")
    for name in names:
        with contextlib.suppress(OSError):
            link = os.readlink(f"/proc/self/fd/{name}")
            if link.startswith("socket:"):
                found[link] = int(name)
    return found


def _describe(fd: int) -> str:
    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(fd)) as copy:
        with contextlib.suppress(OSError):
            return f"socket to {_address(copy.getpeername())}"
        if name := _address(copy.getsockname()):
            return f"socket at {name}"
    return "socket"


def _address(name: object) -> str:
    return f"{name[0]}:{name[1]}" if isinstance(name, tuple) else str(name)
