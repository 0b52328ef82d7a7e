"""How far it is: a bar on a terminal, a line every few seconds elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

LINE_S = 5.0
REFRESH_PER_S = 4.0


@contextmanager
def progress(console: Console, text: str, total: int) -> Iterator[Callable[[int], None]]:
    """Gives a function that takes how much of the total is done."""
    if not console.is_terminal:
        yield _lines(console, text, total)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, refresh_per_second=REFRESH_PER_S, transient=True) as bar:
        task = bar.add_task(text, total=total)
        yield lambda done: bar.update(task, completed=done)


def _lines(console: Console, text: str, total: int) -> Callable[[int], None]:
    written_at = time.monotonic()

    def show(done: int) -> None:
        nonlocal written_at
        if time.monotonic() - written_at >= LINE_S:
            written_at = time.monotonic()
            console.print(f"{text}: {done:,} of {total:,}", highlight=False)

    return show
