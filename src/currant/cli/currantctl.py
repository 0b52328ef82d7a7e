"""`currantctl`: asks the supervisor on this machine."""

import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from currant import settings as setting
from currant.cli import exits
from currant.cli.common import RuntimeDirOption, VersionOption, reported
from currant.cli.output import write_json
from currant.cli.shell import App, run
from currant.protocol.status import StatusReply
from currant.supervisor.control import ask, ask_reload
from currant.supervisor.instance import SOCKET_NAME

#: Of the statements those that took the most time.
STATEMENTS_SHOWN = 8

app = App(no_args_is_help=True)


@app.callback()
def currantctl(version: VersionOption = False) -> None:
    """Asks the currantd of this machine over its control socket."""


@app.command()
def status(
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    runtime_dir: RuntimeDirOption = None,
) -> None:
    """Shows its children and slots, what became of the executions, the rates, and the costliest statements.

    How busy a child is, is the part of its slots' time, since it was ready, in which they ran something.
    """
    with reported("currantctl"):
        settings = setting.load({"runtime_dir": runtime_dir})
        reply = ask(settings.runtime_dir / SOCKET_NAME)
        if as_json:
            write_json(reply)
        else:
            show(reply, Console())


@app.command()
def reload(
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    runtime_dir: RuntimeDirOption = None,
) -> None:
    """Replaces its children, one by one, by such that run the code as it is now; waits until that is done.

    What runs is finished by the old ones. Code that cannot be imported, or whose start hooks fail, changes nothing, and
    the exit code is then 1. The same as SIGHUP to currantd.
    """
    with reported("currantctl"):
        settings = setting.load({"runtime_dir": runtime_dir})
        reply = ask_reload(settings.runtime_dir / SOCKET_NAME)
        if as_json:
            write_json(reply)
        elif reply.error is None:
            print(f"reloaded: {len(reply.functions)} functions")
            for word, functions in (("new", reply.added), ("gone", reply.removed)):
                if functions:
                    print(f"{word}: {', '.join(functions)}")
        else:
            print(f"currantctl: error: not reloaded, the old code goes on: {reply.error}", file=sys.stderr)
        if reply.error is not None:
            raise typer.Exit(exits.FAILED)


def show(reply: StatusReply, console: Console) -> None:
    """Prints the answer for people."""
    running = sum(child.running for child in reply.children)
    slots = sum(child.slots for child in reply.children)
    console.print(f"[bold]{reply.node}[/] {reply.phase}, pid {reply.pid}, up {_duration(reply.uptime_s)}")
    console.print(f"queues {', '.join(reply.queues) or 'none'}; {running} of {slots} slots taken")
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


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"


def main() -> None:
    run(app, "currantctl")


if __name__ == "__main__":
    main()
