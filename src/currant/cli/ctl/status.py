"""`currantctl status`: how the node is."""

from rich.console import Console
from rich.table import Table

from currant.cli.common import RuntimeDirOption, reported
from currant.cli.ctl.asked import NAME, JsonOption, asked
from currant.cli.output import write_json
from currant.protocol.status import StatusReply, StatusRequest

#: Of the statements those that took the most time.
STATEMENTS_SHOWN = 8


def status_command(as_json: JsonOption = False, runtime_dir: RuntimeDirOption = None) -> None:
    """Shows its children and slots, what became of the executions, the rates, and the costliest statements.

    How busy a child is, is the part of its slots' time, since it was ready, in which they ran something.
    """
    with reported(NAME):
        reply = asked(runtime_dir, StatusRequest(), StatusReply)
        if as_json:
            write_json(reply)
        else:
            show(reply, Console())


def show(reply: StatusReply, console: Console) -> None:
    """Prints the answer for people."""
    running = sum(child.running for child in reply.children)
    slots = sum(child.slots for child in reply.children)
    phase = f"{reply.phase}, drained (currantctl resume ends that)" if reply.drained else reply.phase
    console.print(f"[bold]{reply.node}[/] {phase}, pid {reply.pid}, up {_duration(reply.uptime_s)}")
    console.print(f"queues {_queues(reply)}; {running} of {slots} slots taken")
    console.print(f"{reply.completed_per_s:,.1f} completed/s, {reply.statements_per_s:,.2f} statements/s")
    for part, reason in reply.degraded.items():
        console.print(f"[red]degraded, {part}:[/] {reason}")
    for name, reason in reply.connections_lost.items():
        console.print(f"[red]connection {name} is lost:[/] {reason}")

    children = Table(
        "child", "pid", "state", "running", "slots", "busy", "waiting", "finished", "lag", title="children"
    )
    for child in reply.children:
        pid = str(child.pid or "")
        # Since it was ready.
        busy = f"{child.busy_slot_s / child.slot_s:.0%}" if child.slot_s else ""
        state = child.state if child.stalled_s is None else f"stalled {_duration(child.stalled_s)}"
        lag = f"{1000 * child.lag_s:,.0f} ms"
        children.add_row(
            str(child.child), pid, state, f"{child.running:,}", f"{child.slots:,}", busy, f"{child.waiting:,}",
            f"{child.finished:,}", lag,
        )  # fmt: skip
    console.print(children)
    if reply.child_deaths:
        console.print(f"[yellow]{reply.child_deaths:,} children died since the start: the log says how[/]")

    executions = Table("executions since the start", "count")
    for outcome, count in {**reply.executions, "unsaved": reply.unsaved}.items():
        executions.add_row(outcome, f"{count:,}")
    console.print(executions)

    statements = Table("statements since the start", "calls", "rows", "mean")
    for name, use in sorted(reply.statements.items(), key=lambda item: -item[1].seconds)[:STATEMENTS_SHOWN]:
        statements.add_row(name, f"{use.calls:,}", f"{use.rows:,}", f"{1000 * use.seconds / max(1, use.calls):,.1f} ms")
    console.print(statements)

    if reply.pending is None or reply.parked is None:
        console.print("[red]the database does not answer: what waits there is not known[/]")
        return
    for queue, count in reply.pending.items():
        console.print(f"queue {queue}: {count:,} pending")
    for function, count in reply.parked.items():
        console.print(f"[yellow]parked:[/] {count:,} of {function}, until a node comes whose modules register it")


def _queues(reply: StatusReply) -> str:
    names = [f"{each} [yellow](paused)[/]" if each in reply.paused else each for each in reply.queues]
    return ", ".join(names) or "none"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
