"""`currantctl status`: how the node is, once or again and again."""

import time
from typing import Annotated

import msgspec
import typer
from rich.console import Group, RenderableType

from currant.cli import exits
from currant.cli.common import RuntimeDirOption, reported
from currant.cli.ctl import views
from currant.cli.ctl.asked import NAME, JsonOption, asked
from currant.cli.ctl.looks import Looks
from currant.cli.ctl.rates import Rates, rates
from currant.cli.ctl.screen import ended_by_interrupt, has_screen, screen
from currant.cli.output import Page, write, write_json
from currant.cli.values import duration
from currant.protocol.status import StatusReply, StatusRequest

#: Of the statements and functions those that took the most time.
STATEMENTS_SHOWN, FUNCTIONS_SHOWN, ERRORS_SHOWN = 8, 10, 5


def _interval(value: str | float) -> float:
    seconds = duration(value)
    if seconds < INTERVAL_S_MIN:
        raise typer.BadParameter(f"must be at least {INTERVAL_S_MIN:g} s")
    return seconds


INTERVAL_S_MIN = 0.2
IntervalOption = Annotated[
    float,
    typer.Option(
        "--interval",
        "-i",
        metavar="DURATION",
        parser=_interval,
        help="How long between two looks. [2 s]",
        show_default=False,
    ),
]


def status_command(
    as_json: JsonOption = False,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Look again and again, until q or Ctrl-C.")] = False,
    interval: IntervalOption = 2.0,
    runtime_dir: RuntimeDirOption = None,
) -> None:
    """Shows its children and slots, what waits, what became of the executions, and where the time goes.

    How busy a child is, is the part of its slots' time, since it was ready, in which they ran something; with --watch,
    since the last look. Off a terminal, --watch prints one page after the other, and with --json a document a line.
    """
    with reported(NAME):
        if watch:
            with ended_by_interrupt():
                _watch(Looks(lambda request: asked(runtime_dir, request, StatusReply)), interval, as_json=as_json)
            return
        reply = asked(runtime_dir, StatusRequest(), StatusReply)
        if as_json:
            write_json(reply)
        else:
            show(reply, rates(reply))


def show(reply: StatusReply, measured: Rates) -> None:
    """Prints the answer for people."""
    Page().draw(lambda console: console.print(status_page(reply, measured, console.width)))


def status_page(
    reply: StatusReply, measured: Rates, width: int, *, trouble: str | None = None, clock_s: float | None = None
) -> RenderableType:
    """Everything that the node says of itself."""
    return Group(
        views.head(reply, measured, clock_s=clock_s),
        *views.lost(trouble),
        *views.troubles(reply),
        views.outcomes(reply),
        *views.below(views.children(reply, measured, width)),
        *views.below(views.queues(reply)),
        *views.no_answer(reply),
        *views.below(views.functions(measured, width, FUNCTIONS_SHOWN)),
        *views.below(views.errors(reply, width, ERRORS_SHOWN), "last errors"),
        *views.below(views.statements(reply, STATEMENTS_SHOWN), "statements since the start"),
    )


def _watch(looks: Looks, interval_s: float, *, as_json: bool) -> None:
    if as_json or not has_screen():
        while True:
            reply, measured = looks.look()
            if as_json:
                write(msgspec.json.encode(reply).decode())
            else:
                show(reply, measured)
                write("")
            time.sleep(interval_s)
    looks.look()
    with screen() as shown:
        while True:
            assert looks.seen is not None
            reply, measured = looks.seen
            page = status_page(reply, measured, shown.console.width, trouble=looks.trouble, clock_s=time.time())
            shown.show(page)
            if shown.key(interval_s) == "q":
                raise typer.Exit(exits.DONE)
            looks.look_again()
