"""A node's status as people read it, in parts: each fits the width of a terminal, the names give way first. Pure."""

import time
from collections.abc import Iterator

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.segment import Segment
from rich.style import Style
from rich.table import Table
from rich.text import Text

from currant.cli.ctl.rates import ChildRates, FunctionRates, Rates
from currant.cli.output import count, duration, size, text
from currant.protocol.status import ChildStatus, StatusReply

#: Below so many columns a table leaves out what is needed least.
WIDE = 100
LAG_S_MAX, BUSY_MAX = 0.1, 0.95
_EIGHTHS = " ▏▎▍▌▋▊▉"


class Bar:
    """A part of one, as a bar of so many columns."""

    def __init__(self, part: float, columns: int, style: str) -> None:
        self.part, self.columns, self.style = min(1.0, max(0.0, part)), columns, style

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = min(options.max_width, self.columns)
        if options.ascii_only:
            marks = round(self.part * width)
            yield Segment("#" * marks + "." * (width - marks), Style.parse(self.style))
            return
        eighths = round(self.part * width * 8)
        full = "█" * (eighths // 8) + (_EIGHTHS[eighths % 8] if eighths % 8 else "")
        yield Segment(full, Style.parse(self.style))
        yield Segment("·" * (width - len(full)), Style.parse("dim"))

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(self.columns, self.columns)


def head(reply: StatusReply, rates: Rates, *, clock_s: float | None = None) -> RenderableType:
    """What the node is and does, in three lines. `clock_s`: the time of day, for what is looked at for long."""
    running, slots = sum(each.running for each in reply.children), sum(each.slots for each in reply.children)
    first = Table.grid(expand=True)
    first.add_column(overflow="fold")
    first.add_column(justify="right", no_wrap=True)
    name = Text.assemble(text(reply.node, "bold"), " ", _phase(reply), f", pid {reply.pid}, up {spell(reply.uptime_s)}")
    first.add_row(name, "" if clock_s is None else Text(time.strftime("%H:%M:%S", time.localtime(clock_s)), "dim"))
    queues = Text("queues ")
    for index, each in enumerate(reply.queues):
        queues.append(", " if index else "")
        queues.append_text(text(each))
        if each in reply.paused:
            queues.append(" (paused)", "yellow")
    queues.append("none" if not reply.queues else "")
    queues.append(f"; {running:,} of {slots:,} slots taken")
    return Group(first, queues, _speed(reply, rates))


def _phase(reply: StatusReply) -> Text:
    if reply.drained:
        return Text(f"{reply.phase}, drained (currantctl resume ends that)", "yellow")
    return Text(str(reply.phase), "green" if reply.phase == "running" and not reply.degraded else "yellow")


def _speed(reply: StatusReply, rates: Rates) -> Text:
    line = Text.assemble((f"{rates.executions.get('completed', 0.0):,.1f}", "bold"), " completed/s")
    for name, style in (("failed", "red"), ("retried", "yellow"), ("crashed", "red")):
        if rates.executions.get(name, 0.0) > 0:
            line.append(f"  {rates.executions[name]:,.1f} {name}/s", style)
    line.append(f"  {rates.statements_per_s:,.1f} statements/s")
    if reply.unsaved:
        line.append(f"  {reply.unsaved:,} unsaved")
    return line


def troubles(reply: StatusReply) -> list[Text]:
    """What somebody should look at, a line each."""
    lines = [text(f"degraded, {part}: {reason}", "red") for part, reason in reply.degraded.items()]
    lines += [text(f"connection {name} is lost: {reason}", "red") for name, reason in reply.connections_lost.items()]
    if reply.refused is not None:
        lines.append(text(f"refused by the database, and tried again: {' '.join(reply.refused.split())}", "red"))
    if reply.child_deaths:
        lines.append(Text(f"{reply.child_deaths:,} children died since the start: the log says how", "yellow"))
    if reply.suspects:
        lines.append(Text(f"{reply.suspects:,} executions have met crashes and wait to run alone", "yellow"))
    for function, number in (reply.parked or {}).items():
        lines.append(text(f"parked: {number:,} of {function}, until a node comes whose modules register it", "yellow"))
    return lines


def lost(trouble: str | None) -> list[Text]:
    """Says that what is shown is old, and why, if it is."""
    return [] if trouble is None else [text(f"{trouble}: this is what was seen last", "bold red")]


def no_answer(reply: StatusReply) -> list[Text]:
    """Says that the database did not answer, if it was asked and did not."""
    return [] if reply.pending is not None else [
        Text("the database does not answer: what waits there is not known", "red")
    ]  # fmt: skip


def children(reply: StatusReply, rates: Rates, width: int, rows: int | None = None) -> Table:
    """The children, with a bar for how busy each was; if there is no room for all, those with troubles come first."""
    wide = width >= WIDE
    made = _table("child", *(["pid"] if wide else []), "state", "busy", "", "slots", *(["backlog"] if wide else []),
                  "done" if rates.since_start else "done/s", "lag", "memory", "cpu")  # fmt: skip
    for each in _first(reply.children, rows):
        its = rates.children.get(each.id, ChildRates(None, None, None)) if each.id is not None else None
        busy = its.busy if its is not None else None
        pid = str(each.pid or "")
        made.add_row(
            str(each.child) if each.role == "work" else f"{each.child} {each.role}",
            *([pid] if wide else []),
            _state(each),
            "" if busy is None else Bar(busy, 24 if wide else 10, "yellow" if busy > BUSY_MAX else "green"),
            "" if busy is None else f"{busy:4.0%}",
            f"{each.running:,}/{each.slots:,}",
            *([f"{each.waiting:,}"] if wide else []),
            "" if its is None else _done(each, its, rates),
            Text(seconds(each.lag_s), "red" if each.lag_s > LAG_S_MAX else ""),
            size(each.memory_bytes) if each.memory_bytes else "",
            "" if its is None else _cpu(each, its, rates),
        )
    return made


def _done(child: ChildStatus, its: ChildRates, rates: Rates) -> str:
    if rates.since_start:
        return f"{child.finished:,}"
    return "" if its.finished_per_s is None else f"{its.finished_per_s:,.1f}"


def _cpu(child: ChildStatus, its: ChildRates, rates: Rates) -> str:
    if rates.since_start:
        return seconds(child.cpu_s) if child.cpu_s else ""
    return "" if its.cpu is None else f"{its.cpu:.0%}"


def _first(children: list[ChildStatus], rows: int | None) -> list[ChildStatus]:
    if rows is None or len(children) <= rows:
        return children
    chosen = sorted(children, key=lambda each: (each.stalled_s is None, each.state == "ready", each.child))[:rows]
    return sorted(chosen, key=lambda each: each.child)


def _state(child: ChildStatus) -> Text:
    if child.stalled_s is not None:
        return Text(f"stalled {spell(child.stalled_s)}", "bold red")
    return Text(child.state, "green" if child.state == "ready" else "yellow")


def queues(reply: StatusReply, rows: int | None = None) -> Table:
    """What waits in each queue, the fullest first."""
    made = _table("queue", "pending", "oldest", "scheduled", "")
    fullest = sorted((reply.pending or {}).items(), key=lambda item: -item[1])
    for name, pending in fullest[:rows]:
        oldest = (reply.oldest_s or {}).get(name)
        scheduled = (reply.scheduled or {}).get(name, 0)
        made.add_row(
            text(name),
            count(pending, cut=pending >= reply.count_max > 0),
            "" if oldest is None else spell(oldest),
            count(scheduled, cut=scheduled >= reply.count_max > 0),
            Text("paused", "yellow") if name in reply.paused else "",
        )
    return made


def ended_lately(rates: Rates) -> list[FunctionRates]:
    """Returns the functions of which anything ended."""
    return [each for each in rates.functions if each.per_s > 0 or each.slots > 0]


def functions(rates: Rates, width: int, rows: int) -> Table:
    """The functions that take the most of the slots' time."""
    wide = width >= WIDE
    made = _table("function", *(["queue"] if wide else []), "done/s", "wrong/s", "slots", "mean", "p95", "waited")
    for each in ended_lately(rates)[:rows]:
        made.add_row(
            text(each.function),
            *([text(each.queue)] if wide else []),
            f"{each.per_s:,.1f}",
            Text(f"{each.failed_per_s:,.1f}", "red" if each.failed_per_s > 0 else "dim"),
            f"{each.slots:,.1f}",
            "" if each.mean_s is None else seconds(each.mean_s),
            "" if each.p95_s is None else _bound(each.p95_s),
            "" if each.wait_s is None else seconds(each.wait_s),
        )
    return made


def errors(reply: StatusReply, width: int, rows: int) -> Table:
    """What went wrong last, a line each: the message gives way."""
    made = _table("ago", "function", "then", "error")
    made.columns[1].max_width = width // 3
    taken = max((len(each.function) for each in reply.errors[:rows]), default=0)
    made.columns[3].max_width = max(20, width - min(taken, width // 3) - 26)
    for each in reply.errors[:rows]:
        told = f"{each.type}: {each.message}" if each.message else each.type
        made.add_row(
            spell(each.age_s),
            text(each.function),
            Text("retried" if each.reason is None else "failed", "yellow" if each.reason is None else "red"),
            text(" ".join(told.split())),
        )
    return made


def outcomes(reply: StatusReply) -> Text:
    """What became of the executions since the start, in one line; what never happened is left out."""
    always = ("claimed", "completed", "failed")
    told = [(name, number) for name, number in reply.executions.items() if number or name in always]
    line = Text("since the start: ", "dim")
    for index, (name, number) in enumerate(told):
        line.append(", " if index else "")
        line.append(f"{number:,} {name}", "red" if name in ("failed", "crashed", "fenced") and number else "default")
    return line


def statements(reply: StatusReply, rows: int) -> Table:
    """The statements that took the most time since the start."""
    made = _table("statement", "calls", "rows", "mean", "together")
    for name, use in sorted(reply.statements.items(), key=lambda item: -item[1].seconds)[:rows]:
        mean = seconds(use.seconds / max(1, use.calls))
        made.add_row(name, f"{use.calls:,}", f"{use.rows:,}", mean, seconds(use.seconds))
    return made


def below(table: Table, title: str | None = None) -> Iterator[RenderableType]:
    """Gives a table with an empty line above it, and its title; or nothing if it has no rows."""
    if table.row_count:
        yield Text("")
        if title is not None:
            yield Text(title, "bold")
        yield table


_LEFT = ("queue", "function", "error", "then", "state", "statement", "busy", "ago")


_LEAST = {"state": 8, "function": 12, "queue": 8, "error": 20, "ago": 10, "then": 7}


def _table(*columns: str) -> Table:
    made = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for name in columns:
        gives_way = name in ("queue", "function", "error")
        made.add_column(
            name,
            justify="left" if name in _LEFT else "right",
            no_wrap=True,
            overflow="ellipsis" if gives_way else "fold",
            min_width=_LEAST.get(name, None if gives_way else len(name)),
        )
    return made


def seconds(value: float) -> str:
    """Returns a short time as people read it: `0.3 ms`, `12 ms`, `1.5 s`."""
    if value < 0.0005:
        return f"{1e6 * value:.0f} µs" if value else "0 ms"
    if value < 0.01:
        return f"{1000 * value:.1f} ms"
    if value < 1:
        return f"{1000 * value:.0f} ms"
    return f"{value:.1f} s" if value < 100 else spell(value)


def _bound(value: float) -> str:
    return f"> {seconds(3600.0)}" if value == float("inf") else f"≤ {seconds(value)}"


def spell(value: float) -> str:
    """Returns a long time in two units: `3 h 12 min`."""
    minutes, rest = divmod(int(value), 60)
    hours, minutes = divmod(minutes, 60)
    if hours >= 48:
        return duration(value)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
