"""`currantctl top`: a node while it works, on one screen."""

import sys
import time

from rich.console import Group, RenderableType
from rich.text import Text

from currant.cli.common import RuntimeDirOption, reported
from currant.cli.ctl import views
from currant.cli.ctl.asked import NAME, asked
from currant.cli.ctl.looks import Looks
from currant.cli.ctl.rates import Rates
from currant.cli.ctl.screen import Screen, screen
from currant.cli.ctl.status import IntervalOption
from currant.cli.output import Page
from currant.cli.shell import is_terminal
from currant.protocol.status import StatusReply

_KEYS = "q quits   space holds the page, and lets it go on"
#: Lines besides the tables' rows: the head, titles, blank lines, the keys.
_LINES_BESIDES = 20


def top_command(interval: IntervalOption = 2.0, runtime_dir: RuntimeDirOption = None) -> None:
    """Shows a node while it works: rates, how busy each child is, what waits, the slowest functions, the last errors.

    All rates, and the bars, are of the time since the last look. `slots` is how many of a function ran at a time. q or
    Ctrl-C ends it, space holds the page. Off a terminal it looks once over an interval, prints that, and ends.
    """
    with reported(NAME):
        looks = Looks(lambda request: asked(runtime_dir, request, StatusReply))
        looks.look()
        if is_terminal(sys.stdout):
            with screen() as shown:
                _run(looks, shown, interval)
            return
        time.sleep(interval)
        reply, rates = looks.look()
        Page().draw(lambda console: console.print(top_page(reply, rates, console.width, None)))


def _run(looks: Looks, shown: Screen, interval_s: float) -> None:
    # The first page has no rates of its own yet: the second follows soon.
    wait_s, held = min(0.5, interval_s), False
    while True:
        assert looks.seen is not None
        reply, rates = looks.seen
        console = shown.console
        page = top_page(reply, rates, console.width, console.height, trouble=looks.trouble, held=held)
        shown.show(page)
        key = shown.key(wait_s)
        if key == "q":
            return
        held = held != (key == " ")
        if key is None and not held:
            looks.look_again()
            wait_s = interval_s


def top_page(
    reply: StatusReply,
    rates: Rates,
    width: int,
    height: int | None,
    *,
    trouble: str | None = None,
    held: bool = False,
) -> RenderableType:
    """The page for a terminal of so many lines; None: there is no end to them."""
    rows = _rows(reply, height)
    over = Text("on average since its start" if rates.since_start else f"over the last {rates.seconds:.1f} s", "dim")
    keys = [Text(""), Text("held: space goes on   q quits" if held else _KEYS, "reverse" if held else "dim")]
    return Group(
        views.head(reply, rates, clock_s=None if height is None else time.time()),
        over,
        *views.lost(trouble),
        *views.troubles(reply),
        *views.titled("children", views.children(reply, rates, width, rows)),
        *views.titled("functions", views.functions(rates, width, rows)),
        *views.titled("queues", views.queues(reply, rows)),
        *views.no_answer(reply),
        *views.titled("last errors", views.errors(reply, rows)),
        *(keys if height is not None else []),
    )


def _rows(reply: StatusReply, height: int | None) -> int:
    """Returns how many rows each of the four tables may have, so that all fit."""
    if height is None:
        return 20
    return max(3, (height - _LINES_BESIDES - len(views.troubles(reply))) // 4)
