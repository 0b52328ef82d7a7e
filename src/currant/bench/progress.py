"""How far it is: on a terminal a live line, a line every few seconds elsewhere."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress

from currant.bench.liveline import LineColumn

LINE_S = 5.0
REFRESH_PER_S = 4.0
#: The throughput that is shown is of so many seconds.
RATE_S = 2.0

#: Takes how much of the total is done.
Show = Callable[[int], None]


@contextmanager
def progress(console: Console, text: str, total: int | None) -> Iterator[Show]:
    """Gives a function that takes how much of the total is done; None: nobody knows how much there will be."""
    with live(console, text, total) as line:
        yield line.show


@contextmanager
def live(console: Console, text: str, total: int | None) -> Iterator["Live"]:
    """Gives the line."""
    if not console.is_terminal:
        yield Live(_Lines(console, text, total).show)
        return
    column = LineColumn(console)
    with Progress(column, console=console, refresh_per_second=REFRESH_PER_S, transient=True) as bar:
        task = bar.add_task(text, total=total, now="")
        yield Live(lambda done, now: bar.update(task, completed=done, now=now))


class Live:
    """What is shown while something runs: how much is done, how fast, and what else is known."""

    def __init__(self, write: Callable[[int, str], None]) -> None:
        self._write = write
        self._seen: deque[tuple[float, int]] = deque([(time.monotonic(), 0)])
        self.p99_ms: float | None = None

    def show(self, done: int, in_flight: int | None = None) -> None:
        """Shows how much is done, and how many executions are under way in the children."""
        now_s = time.monotonic()
        self._seen.append((now_s, done))
        while len(self._seen) > 2 and self._seen[1][0] <= now_s - RATE_S:
            self._seen.popleft()
        began_s, before = self._seen[0]
        parts = [f"{(done - before) / (now_s - began_s):,.0f}/s"] if now_s > began_s else []
        if in_flight is not None:
            parts.append(f"{in_flight:,} in flight")
        if self.p99_ms is not None:
            parts.append(f"p99 {self.p99_ms:,.1f} ms")
        self._write(done, ", ".join(parts))


class _Lines:
    """For a log: quiet, but for a line now and then."""

    def __init__(self, console: Console, text: str, total: int | None) -> None:
        self._console, self._text = console, text
        self._of = "" if total is None else f" of {total:,}"
        self._written_at = time.monotonic()

    def show(self, done: int, now: str) -> None:
        if time.monotonic() - self._written_at >= LINE_S:
            self._written_at = time.monotonic()
            self._console.print(f"{self._text}: {done:,}{self._of}, {now}", highlight=False)
