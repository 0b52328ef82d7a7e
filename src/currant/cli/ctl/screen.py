"""The whole terminal for one page that changes, with keys; it is given back as it was, however that ends."""

import contextlib
import os
import select
import signal
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from types import FrameType
from typing import NoReturn

import typer
from rich.console import Console, RenderableType
from rich.live import Live

from currant.cli import exits
from currant.cli.shell import is_terminal

#: The exit code of a process that SIGTERM has ended.
_TERMINATED = 128 + signal.SIGTERM


class Screen:
    """What is shown, and what is typed meanwhile."""

    def __init__(self, live: Live, has_keys: bool) -> None:
        self._live, self._has_keys = live, has_keys
        self.console = live.console

    def show(self, page: RenderableType) -> None:
        self._live.update(page, refresh=True)

    def key(self, within_s: float) -> str | None:
        """Returns the key that is typed within so many seconds, or None. The end of the terminal counts as q."""
        readable, _, _ = select.select([sys.stdin] if self._has_keys else [], [], [], within_s)
        if not readable:
            return None
        return os.read(sys.stdin.fileno(), 64).decode(errors="replace")[:1] or "q"


def has_screen() -> bool:
    """Whether standard output is a terminal on which a page can change."""
    return is_terminal(sys.stdout) and not Console().is_dumb_terminal


@contextlib.contextmanager
def screen() -> Iterator[Screen]:
    """Takes the terminal of standard output, and the keys if standard input is one too."""
    has_keys = sys.stdin is not None and sys.stdin.isatty()
    console = Console(highlight=False)
    with _ended_in_order(), _unbuffered() if has_keys else contextlib.nullcontext():
        with Live(
            console=console, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
        ) as live:
            yield Screen(live, has_keys)


@contextlib.contextmanager
def ended_by_interrupt() -> Iterator[None]:
    """Ctrl-C is the usual end of what goes on for ever: nothing is said of it, and the exit code tells it."""
    try:
        yield
    except KeyboardInterrupt:
        raise typer.Exit(exits.INTERRUPTED) from None


@contextlib.contextmanager
def _unbuffered() -> Iterator[None]:
    """Has each key come at once, and not be shown; Ctrl-C goes on to interrupt."""
    before = termios.tcgetattr(sys.stdin)
    # What was typed already counts.
    tty.setcbreak(sys.stdin, termios.TCSADRAIN)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


@contextlib.contextmanager
def _ended_in_order() -> Iterator[None]:
    """Has SIGTERM unwind, so that the terminal is given back; and Ctrl-Z not leave it in the middle."""
    changed: dict[signal.Signals, Callable[[int, FrameType | None], object] | int] = {
        signal.SIGTERM: _end,
        signal.SIGTSTP: signal.SIG_IGN,
    }
    before = {number: signal.signal(number, handler) for number, handler in changed.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(_number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(_TERMINATED)
