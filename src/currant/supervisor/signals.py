"""What each signal asks for. None of them does anything itself."""

import asyncio
import atexit
import functools
import signal
from collections.abc import Callable, Mapping

from currant.supervisor.lifecycle import Lifecycle
from currant.supervisor.sizing import Sizing

#: Those that mean something to a node. What a supervisor does not serve yet, or not any more, it ignores.
SIGNALS = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGHUP,
    signal.SIGTTIN,
    signal.SIGTTOU,
    signal.SIGUSR1,
)
ENDS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)


def answer_before_start() -> None:
    """Until there is a node, a stop is simply the end, for nothing has been claimed; the rest is ignored."""
    for number in SIGNALS:
        # Not SIG_IGN, which the fork server and the user's processes would inherit.
        signal.signal(number, _end if number in ENDS else _ignore)
    # The interpreter's own end would restore what kills.
    atexit.register(answer_no_more)


def answer(loop: asyncio.AbstractEventLoop, answers: Mapping[signal.Signals, Callable[[], None]]) -> None:
    """From now on, signals ask a node that runs in this loop, which must be uvloop's."""
    for number, ask in answers.items():
        # Not the loop's own way: when it closes, and before the process has ended, signals would kill again.
        signal.signal(number, functools.partial(_pass_on, loop, ask))


def answer_no_more() -> None:
    """The node has ended, and so does the process: a signal that comes late does not spoil its exit code."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def answers(
    lifecycle: Lifecycle, sizing: Sizing, *, dump_stacks: Callable[[], None]
) -> dict[signal.Signals, Callable[[], None]]:
    """Returns what each signal asks for."""
    return {
        signal.SIGTERM: lambda: _stop(lifecycle, signal.SIGTERM),
        signal.SIGINT: lambda: _stop(lifecycle, signal.SIGINT),
        signal.SIGQUIT: lambda: lifecycle.ask_quit(signal.SIGQUIT.name),
        signal.SIGHUP: lifecycle.ask_reload,
        signal.SIGTTIN: sizing.grow,
        signal.SIGTTOU: sizing.shrink,
        signal.SIGUSR1: dump_stacks,
    }


def _stop(lifecycle: Lifecycle, number: signal.Signals) -> None:
    if lifecycle.ending:
        lifecycle.hurry()
    else:
        lifecycle.ask_drain(number.name)


def _pass_on(loop: asyncio.AbstractEventLoop, ask: Callable[[], None], number: int, frame: object) -> None:
    loop.call_soon_threadsafe(ask)


def _end(number: int, frame: object) -> None:
    for other in SIGNALS:
        # Not SIG_IGN here: one that has come already would be complained about.
        signal.signal(other, _ignore)
    raise SystemExit(0)


def _ignore(number: int, frame: object) -> None:
    pass
