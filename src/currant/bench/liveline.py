"""The live line of a terminal: it fits whatever the width, and what is least missed goes first."""

from rich.console import Console
from rich.progress import ProgressColumn, Task
from rich.text import Text

from currant.bench.amounts import bar

_BAR_MAX, _BAR_MIN = 30, 6
#: A text shorter than the first of them costs a part of what stands behind it; than the second, the bar.
_TEXT_MIN, _TEXT_KEPT = 8, 14


class LineColumn(ProgressColumn):
    """All of a progress line. Its task has the field `now`: what is known beside how much is done."""

    max_refresh = None

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def render(self, task: Task) -> Text:
        # The last column stays free: a cursor behind it would make some terminals begin a new line.
        width = self._console.width - 1
        total = None if task.total is None else int(task.total)
        return live_line(task.description, int(task.completed), total, task.fields["now"], task.elapsed or 0.0, width)


def live_line(text: str, done: int, total: int | None, now: str, elapsed_s: float, width: int) -> Text:
    """Returns the line; without a total there is no bar."""
    share = None if not total else min(1.0, done / total)
    much = f"{done:,}" if share is None else f"{share * 100:3.0f} %"
    clock = f"{int(elapsed_s) // 60}:{int(elapsed_s) % 60:02}"
    for parts in ([much, now, clock], [much, now], [now], []):
        tail = "  ".join(part for part in parts if part)
        room = width - len(tail) - 1
        if room >= min(len(text), _TEXT_MIN):
            break
    # A long text gives way to the bar, but for its beginning.
    limit = room if share is None else min(room, max(_TEXT_KEPT, room - _BAR_MIN - 2))
    if len(text) > limit:
        text = text[: max(0, limit - 1)] + "…"
    cells = min(_BAR_MAX, room - len(text) - 2)
    if share is None or cells < _BAR_MIN:
        return Text(f"{text} {tail}".rstrip())
    return Text.assemble(f"{text} ", (f"{bar(share, cells):<{cells}}", "cyan on grey23"), f"  {tail}".rstrip())
