"""`currantctl top`: a node while it works, on one screen."""

import time
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from currant.cli.common import RuntimeDirOption, reported
from currant.cli.ctl import views
from currant.cli.ctl.asked import NAME, asked
from currant.cli.ctl.looks import Looks
from currant.cli.ctl.rates import Rates
from currant.cli.ctl.screen import Screen, ended_by_interrupt, has_screen, screen
from currant.cli.ctl.status import IntervalOption
from currant.cli.output import Page
from currant.protocol.status import StatusReply

_KEYS = "q quits   space holds the page, and lets it go on"
#: Lines besides the tables: the head, and the keys.
_LINES_BESIDES = 7


def top_command(interval: IntervalOption = 2.0, runtime_dir: RuntimeDirOption = None) -> None:
    """Shows a node while it works: rates, how busy each child is, what waits, the slowest functions, the last errors.

    All rates, and the bars, are of the time since the last look. `slots` is how many of a function ran at a time. q or
    Ctrl-C ends it, space holds the page. Off a terminal it looks once over an interval, prints that, and ends.
    """
    with reported(NAME):
        looks = Looks(lambda request: asked(runtime_dir, request, StatusReply))
        looks.look()
        if not has_screen():
            time.sleep(interval)
            reply, rates = looks.look()
            Page().draw(lambda console: console.print(top_page(reply, rates, console.width, None)))
            return
        with ended_by_interrupt(), screen() as shown:
            _run(looks, shown, interval)


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
    troubles = views.troubles(reply)
    wanted = [len(reply.children), len(views.ended_lately(rates)), len(reply.pending or ()), len(reply.errors)]
    lines = None if height is None else height - _LINES_BESIDES - len(troubles)
    rows = share(wanted, lines)
    over = Text("on average since its start" if rates.since_start else f"over the last {rates.seconds:.1f} s", "dim")
    keys = [Text(""), Text("held: space goes on   q quits" if held else _KEYS, "reverse" if held else "dim")]
    return Group(
        views.head(reply, rates, clock_s=None if height is None else time.time()),
        over,
        *views.lost(trouble),
        *troubles,
        *views.below(views.children(reply, rates, width, rows[0])),
        *views.below(views.functions(rates, width, rows[1])),
        *views.below(views.queues(reply, rows[2])),
        *views.no_answer(reply),
        *views.below(views.errors(reply, width, rows[3])),
        *(keys if height is not None else []),
    )


def share(wanted: Sequence[int], lines: int | None) -> list[int]:
    """Returns how many rows each table gets, one after the other a row more; each takes two lines besides.

    `lines`: how many there are; None: there is no end to them, and a table has twenty rows at the most.
    """
    if lines is None:
        return [min(each, 20) for each in wanted]
    rows = [0] * len(wanted)
    while True:
        before = lines
        for place, each in enumerate(wanted):
            cost = 1 if rows[place] else 3
            if rows[place] < each and lines >= cost:
                rows[place] += 1
                lines -= cost
        if lines == before:
            return rows
