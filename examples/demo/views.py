"""What people see meanwhile: a table that changes on a terminal, a line every second elsewhere."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from examples.demo.database import Tally
from examples.demo.day import Picture
from examples.demo.plan import Plan

_LINE_S = 1.0


@contextmanager
def view(console: Console, plan: Plan) -> Iterator[Callable[[Picture], None]]:
    """Gives a function that shows a picture."""
    if not console.is_interactive:
        yield _lines(console, plan)
        return
    with Live(console=console, auto_refresh=False) as live:
        yield lambda picture: live.update(_draw(picture, plan), refresh=True)


def _draw(picture: Picture, plan: Plan) -> Group:
    table = Table(border_style="dim")
    table.add_column("job", min_width=15)
    for name in ("planned", *Tally._fields[:-1]):
        table.add_column(name, justify="right", min_width=8)
    for kind in plan.kinds:
        _add(table, kind.name, len(kind.calls), picture.tallies.get(kind.name, Tally()))
    table.add_section()
    _add(table, "all", plan.jobs, picture.whole)

    foot = Table.grid(padding=(0, 2))
    bar = ProgressBar(total=plan.jobs, completed=picture.done, width=30)
    foot.add_row(bar, f"{picture.done / plan.jobs:4.0%}", f"{picture.completed_per_s:7,.0f} completed/s", picture.scene)
    return Group(table, foot)


def _add(table: Table, name: str, planned: int, tally: Tally) -> None:
    styles = ("", "green", "", "yellow", "red")
    counts = [Text(f"{n:,}", style if n else "dim") for n, style in zip(tally[:-1], styles, strict=True)]
    table.add_row(name, f"{planned:,}", *counts)


def _lines(console: Console, plan: Plan) -> Callable[[Picture], None]:
    due_s = _LINE_S

    def show(picture: Picture) -> None:
        nonlocal due_s
        if picture.elapsed_s < due_s and picture.done < plan.jobs:
            return
        due_s = picture.elapsed_s + _LINE_S
        whole = picture.whole
        console.print(
            f"{picture.elapsed_s:5.1f} s  enqueued {whole.enqueued:,}  completed {whole.completed:,}"
            f"  waiting {whole.waiting:,}  retrying {whole.retrying:,}  failed {whole.failed:,}"
            f"  {picture.completed_per_s:,.0f}/s",
            soft_wrap=True,
        )

    return show
