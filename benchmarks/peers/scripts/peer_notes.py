"""What the Python systems' workers note down: see ../peer.py."""

import asyncio
import atexit
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

NOTES = Path(os.environ.get("PEER_NOTES", "."))


class Notes:
    """One process's file of lines, opened at the first of them."""

    def __init__(self) -> None:
        self.ran = 0
        self._pid = 0
        self._file = -1

    def line(self, text: str) -> None:
        """Appends a line, at once."""
        if self._pid != os.getpid():  # also after a fork
            self._pid = os.getpid()
            self._file = os.open(NOTES / f"{self._pid}.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.write(self._file, text.encode() + b"\n")

    def noop(self) -> None:
        """Counts a no-op job, in memory."""
        self.ran += 1

    def stamp(self, intended_s: float) -> None:
        """Notes how long ago that moment was; 0 is none."""
        if intended_s:
            self.line(f"stamp {(time.time() - intended_s) * 1000:.3f}")

    def hold(self) -> bool:
        """Notes that a `hold` begins; returns whether it is to go on for long: the second one is not."""
        first = not any("hold" in file.read_text() for file in NOTES.glob("*.txt"))
        self.line(f"hold {os.getpid()} {time.time():.6f}")
        return first

    def end(self) -> None:
        """Notes how many no-op jobs there were."""
        if self.ran:
            self.line(f"ran {self.ran}")
            self.ran = 0


notes = Notes()
atexit.register(notes.end)


async def pace(rate: float, seconds: float) -> AsyncIterator[float]:
    """Gives each intended moment, Unix time, evenly spread, when it is there; and 0 before: see ../peer.py."""
    yield 0.0
    began_s = time.time() + 0.1
    for number in range(int(rate * seconds)):
        intended_s = began_s + number / rate
        await asyncio.sleep(max(0.0, intended_s - time.time()))
        yield intended_s
