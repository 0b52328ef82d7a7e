"""Writing to where a reader may be slow, full or gone: that costs lines, and nothing else."""

import atexit
import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable
from typing import Protocol

#: Beyond so much that is not written the newest are dropped, and counted.
LINES_MAX, BYTES_MAX = 10_000, 16 << 20
LAST_LINES_S = 1.0
#: How often whoever has lines of its own from time to time is asked for them, while the writer waits.
LOOK_S = 5.0


class Occasional(Protocol):
    """Has lines from time to time."""

    def __call__(self, *, last: bool = False) -> list[str]:
        """Returns them; `last`: nobody will ask again."""


class Writer:
    """Writes lines to a descriptor, in a thread. Whoever gives it one never waits."""

    def __init__(self, fd: int, dropped: Callable[[int], str]) -> None:
        """
        Args:
            fd: not the stream: what is left in its buffer, or a thread that holds its lock, spoils the exit of Python.
                May be closed afterwards.
            dropped: makes the line that tells how many were dropped.
        """
        # Of its own: the number may be another's when a line comes late.
        self._fd, self._dropped_line = os.dup(fd), dropped
        #: Each with as how many lines it counts.
        self._lines: deque[tuple[bytes, int]] = deque()
        self._bytes = 0
        self._dropped = 0
        self._ended = False
        self._occasional: list[Occasional] = []
        self._came = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()
        atexit.register(self._finish)

    def msg(self, line: str) -> None:
        """Takes a line, without its end."""
        self.write(f"{line}\n".encode(errors="backslashreplace"), 1)

    debug = info = warning = error = critical = msg

    def write(self, data: bytes, lines: int) -> None:
        """Takes some bytes, which are written together or dropped together; `lines`: as how many they count."""
        with self._came:
            if len(self._lines) >= LINES_MAX or self._bytes >= BYTES_MAX or self._ended:
                self._dropped += lines
                return
            self._lines.append((data, lines))
            self._bytes += len(data)
            self._came.notify()

    def every(self, occasional: Occasional) -> None:
        """Asks it for lines now and then, and at the end."""
        self._occasional.append(occasional)

    def _run(self) -> None:
        while True:
            with self._came:
                if not self._lines and not self._ended:
                    self._came.wait(LOOK_S if self._occasional else None)
                ended, dropped, self._dropped = self._ended, self._dropped, 0
                data, lines = self._lines.popleft() if self._lines else (b"", 0)
                self._bytes -= len(data)
            if dropped:
                self._put(self._dropped_line(dropped), dropped)
            if data:
                self._put_bytes(data, lines)
                continue
            for ask in self._occasional:
                for line in ask(last=ended):
                    self._put(line, 1)
            if ended:
                return

    def _put(self, line: str, lines: int) -> None:
        self._put_bytes(f"{line}\n".encode(errors="backslashreplace"), lines)

    def _put_bytes(self, data: bytes, lines: int) -> None:
        try:
            while data:
                data = data[os.write(self._fd, data) :]
        except OSError:
            with self._came:
                self._dropped += lines

    def _finish(self) -> None:
        with self._came:
            self._ended = True
            self._came.notify()
        with contextlib.suppress(RuntimeError):
            self._thread.join(LAST_LINES_S)
