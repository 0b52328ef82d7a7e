"""`currantctl running`, `stacks`, `cancel`: what runs on the node."""

from collections.abc import Iterator
from typing import Annotated

import typer

from currant.cli.common import RuntimeDirOption, reported
from currant.cli.ctl.asked import NAME, JsonOption, asked
from currant.cli.ctl.completing import ChildOption
from currant.cli.executions import IdsArgument, show_cancelled
from currant.cli.output import Page, table, write_json
from currant.protocol.commands import (
    RUNNING_MAX,
    CancelReply,
    CancelRequest,
    ProcessStacks,
    Running,
    RunningReply,
    RunningRequest,
    StacksReply,
    StacksRequest,
)


def running_command(
    most: Annotated[
        int, typer.Option("--limit", "-n", metavar="N", min=1, max=RUNNING_MAX, help="How many at most.")
    ] = 100,
    as_json: JsonOption = False,
    runtime_dir: RuntimeDirOption = None,
) -> None:
    """Shows which executions run on this node, where and for how long: the longest first.

    Of a child that does not answer, its executions run for at least the time that is shown. `currant list --status
    running` shows those of all nodes.
    """
    with reported(NAME):
        reply = asked(runtime_dir, RunningRequest(most), RunningReply)
        if as_json:
            write_json(reply)
            return
        page = Page()
        if reply.executions:
            columns = ("id", "function", "queue", "attempt", "child", "pid", "runs for")
            page.add(table(*columns, rows=map(_row, reply.executions)))
        shown = len(reply.executions)
        page.add(f"{reply.total:,} run here" if shown == reply.total else f"{reply.total:,} run here, {shown:,} shown")


def stacks_command(
    child: ChildOption = None, as_json: JsonOption = False, runtime_dir: RuntimeDirOption = None
) -> None:
    """Shows where the code stands: the Python stacks of executions, threads and tasks, of all children or of one.

    A child that does not answer is asked by a signal for the stacks of its threads, which come with the innermost calls
    first, and cannot be told apart by execution. Without a number the supervisor's own are shown, too.
    """
    with reported(NAME):
        reply = asked(runtime_dir, StacksRequest(child), StacksReply)
        if as_json:
            write_json(reply)
            return
        page = Page()
        for process in reply.processes:
            for line in _lines(process):
                page.add(line)


def cancel_command(ids: IdsArgument, as_json: JsonOption = False, runtime_dir: RuntimeDirOption = None) -> None:
    """Cancels executions: those on this node at once, others through the database, wherever they are.

    One that runs ends as soon as its function lets it, or is ended with its child. Exit code 1 when one had ended
    before, or is not there; the others are cancelled all the same. Where no currantd runs: currant cancel.
    """
    with reported(NAME):
        replies = [asked(runtime_dir, CancelRequest(id), CancelReply) for id in dict.fromkeys(ids)]
        show_cancelled(NAME, [reply.outcome for reply in replies], as_json=as_json)


def _row(each: Running) -> tuple[str, ...]:
    least = "> " if each.stalled else ""
    run = "not known" if each.run_s is None else f"{least}{_seconds(each.run_s)}"
    return each.id, each.function, each.queue, str(each.attempt), str(each.child), str(each.pid or ""), run


def _seconds(seconds: float) -> str:
    return f"{seconds:,.1f} s"


def _lines(process: ProcessStacks) -> Iterator[str]:
    name = "supervisor" if process.child is None else f"child {process.child}, pid {process.pid}"
    yield f"== {name}{', does not answer' if process.stalled else ''}"
    for each in process.executions:
        run = "" if each.run_s is None else f", runs for {_seconds(each.run_s)}"
        yield f"-- {each.id} {each.function}{run}"
        yield each.stack
    if process.unknown:
        yield f"-- run here, too: {', '.join(process.unknown)}"
    if process.others:
        yield "-- threads and tasks" if process.stalled or process.child is None else "-- of no execution"
        yield process.others
    if not process.executions and not process.unknown and not process.others:
        yield "-- nothing runs"
