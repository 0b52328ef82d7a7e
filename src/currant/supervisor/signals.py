"""What each signal asks for. None of them does anything itself."""

import asyncio
import signal
from collections.abc import Callable, Mapping

from currant.supervisor.lifecycle import Lifecycle

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


def answer(loop: asyncio.AbstractEventLoop, answers: Mapping[signal.Signals, Callable[[], None]]) -> None:
    """From now on, signals ask a node."""
    for number, ask in answers.items():
        loop.add_signal_handler(number, ask)


def answer_no_more() -> None:
    """The node has ended, and so does the process: a signal that comes late does not spoil its exit code."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)


def answers(lifecycle: Lifecycle, *, dump_stacks: Callable[[], None]) -> dict[signal.Signals, Callable[[], None]]:
    """Returns what each signal asks for."""
    return {
        signal.SIGTERM: lambda: _stop(lifecycle, signal.SIGTERM),
        signal.SIGINT: lambda: _stop(lifecycle, signal.SIGINT),
        signal.SIGQUIT: lambda: lifecycle.ask_quit(signal.SIGQUIT.name),
        signal.SIGHUP: lifecycle.ask_reload,
        signal.SIGUSR1: dump_stacks,
    }


def _stop(lifecycle: Lifecycle, number: signal.Signals) -> None:
    if lifecycle.ending:
        lifecycle.hurry()
    else:
        lifecycle.ask_drain(number.name)


def _end(number: int, frame: object) -> None:
    raise SystemExit(0)


def _ignore(number: int, frame: object) -> None:
    pass
