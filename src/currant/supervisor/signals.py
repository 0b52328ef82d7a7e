"""What each signal asks for. None of them does anything itself."""

import asyncio
import atexit
import functools
import signal
from collections.abc import Callable, Mapping, Sequence

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
    stops = _Stops(ends=True)
    for number in SIGNALS:
        # Not SIG_IGN, which the fork server and the user's processes would inherit.
        signal.signal(number, stops if number in ENDS else _ignore)
    # The interpreter's own end would restore what kills.
    atexit.register(answer_no_more)


def hold() -> list[signal.Signals]:
    """From now on, and until `answer`, a stop is only noted, in the list that is returned: while a loop is made and
    started, an exception out of a signal's handler would leave half of it behind."""
    stops = signal.getsignal(ENDS[0])
    if not isinstance(stops, _Stops):
        stops = _Stops(ends=False)
        for number in ENDS:
            signal.signal(number, stops)
    stops.ends = False
    return stops.came


def answer(
    loop: asyncio.AbstractEventLoop,
    answers: Mapping[signal.Signals, Callable[[], None]],
    came: Sequence[signal.Signals] = (),
) -> None:
    """From now on, signals ask a node that runs in this loop, which must be uvloop's; and at once, those that `hold`
    has noted."""
    for number, ask in answers.items():
        # Not the loop's own way: when it closes, and before the process has ended, signals would kill again.
        signal.signal(number, functools.partial(_pass_on, loop, ask))
    for number in came:
        loop.call_soon(answers[number])


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


class _Stops:
    """Notes the stops, of which the first ends the process, if they are to."""

    def __init__(self, *, ends: bool) -> None:
        self.ends = ends
        self.came: list[signal.Signals] = []

    def __call__(self, number: int, frame: object) -> None:
        # The exception may come up where it is swallowed, as in a finalizer: then the stop is asked for later.
        self.came.append(signal.Signals(number))
        if self.ends:
            self.ends = False
            raise SystemExit(0)


def _ignore(number: int, frame: object) -> None:
    pass
