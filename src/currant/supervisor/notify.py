"""sd_notify(3) without its library: one datagram for each message to the service manager."""

import os
import socket
import time
from collections import deque

#: What systemd reads of one message; it drops longer ones.
MESSAGE_BYTES_MAX = 4096
#: Of a value, so that a message of ours stays below.
_VALUE_CHARACTERS_MAX = 500
#: How many messages wait while the service manager does not take them.
_WAITING_MAX = 32


class Notifier:
    """A socket to the service manager. It never blocks, and whatever is wrong with the other end stops nothing."""

    def __init__(self, address: str) -> None:
        """`address` is a path, or a name of the abstract namespace with an @ before it."""
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK)
        self._waiting: deque[bytes] = deque(maxlen=_WAITING_MAX)

    def send(self, **assignments: str | int) -> None:
        """Sends one message, if there is anything in it; before it, what the service manager had no room for."""
        if assignments:
            self._waiting.append(encode(assignments))
        while self._waiting:
            try:
                self._socket.sendto(self._waiting[0], self._address)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                # Nobody is there. It is as if none had been asked for.
                pass
            self._waiting.popleft()

    def close(self) -> None:
        self._socket.close()


def encode(assignments: dict[str, str | int]) -> bytes:
    """Returns the message; what a value has in several lines, or too much of, is made one line and cut."""
    lines = (f"{name}={' '.join(str(value).split())[:_VALUE_CHARACTERS_MAX]}" for name, value in assignments.items())
    message = "\n".join(lines).encode(errors="replace")
    assert len(message) <= MESSAGE_BYTES_MAX
    return message


def ready() -> dict[str, str | int]:
    """The node does its work, for the first time or again after a reload."""
    return {"READY": 1, "MAINPID": os.getpid()}


def reloading() -> dict[str, str | int]:
    """A reload has begun: systemd wants to know when, by the clock that says so of its own requests."""
    return {"RELOADING": 1, "MONOTONIC_USEC": time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}


def stopping() -> dict[str, str | int]:
    return {"STOPPING": 1}


def alive() -> dict[str, str | int]:
    """The watchdog's time begins anew."""
    return {"WATCHDOG": 1}


def extend(seconds: float) -> dict[str, str | int]:
    """The start, the reload or the stop may take longer than its time, as long as this is said again so soon."""
    return {"EXTEND_TIMEOUT_USEC": round(seconds * 1e6)}
