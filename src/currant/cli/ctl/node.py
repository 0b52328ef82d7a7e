"""`currantctl drain`, `resume`, `scale`, `reload`, `restart`, `log-level`: what is asked of the node."""

import sys
import time
from typing import Annotated

import typer

from currant.cli import exits
from currant.cli.common import DatabaseOption, EmbeddedOption, RuntimeDirOption, reported
from currant.cli.ctl.asked import NAME, JsonOption, asked
from currant.cli.ctl.completing import ChildArgument, queue_names
from currant.cli.ctl.queues import queue_name, resume_queue
from currant.cli.options import beginning
from currant.cli.output import write, write_json
from currant.cli.values import duration
from currant.errors import ConfigurationError
from currant.protocol.commands import (
    DrainReply,
    DrainRequest,
    LogLevelReply,
    LogLevelRequest,
    ReloadReply,
    ReloadRequest,
    RestartReply,
    RestartRequest,
    ResumeReply,
    ResumeRequest,
    ScaleReply,
    ScaleRequest,
)
from currant.supervisor.loglevel import NAMES

#: Between looks at how far a drain is.
LOOK_S = 0.2


def drain_command(
    wait: Annotated[bool, typer.Option("--wait", help="Wait until nothing runs here any more.")] = False,
    timeout: Annotated[
        float | None,
        typer.Option(
            "--timeout", metavar="DURATION", parser=duration, help="Wait no longer than so: 90, 90s, 5min, 2h."
        ),
    ] = None,
    as_json: JsonOption = False,
    runtime_dir: RuntimeDirOption = None,
) -> None:
    """Has the node claim nothing more, and stay: until currantctl resume, or its end.

    What has not started goes back to the database at once, where other nodes take it. What runs goes on, however long
    it takes. A node that is drained already stays so. With --timeout, which waits too, exit code 4 when something still
    runs then: the node stays drained.
    """
    with reported(NAME):
        reply = first = asked(runtime_dir, DrainRequest(), DrainReply)
        until_s = None if timeout is None else time.monotonic() + timeout
        in_time = True
        while (wait or timeout is not None) and (reply.held or reply.unsaved):
            in_time = until_s is None or time.monotonic() < until_s
            if not in_time:
                break
            time.sleep(LOOK_S)
            reply = asked(runtime_dir, DrainRequest(), DrainReply)
        reply.already = first.already
        if as_json:
            write_json(reply)
        else:
            rest = f"{reply.held:,} still run" if reply.held else "nothing runs"
            write(f"drained{' already' if reply.already else ''}: {rest}")
        if not in_time:
            raise typer.Exit(exits.NOT_IN_TIME)


def resume_command(
    queue: Annotated[
        str | None,
        typer.Argument(
            parser=queue_name,
            help="A queue that is paused; without it, the node that is drained.",
            autocompletion=queue_names,
        ),
    ] = None,
    as_json: JsonOption = False,
    runtime_dir: RuntimeDirOption = None,
    database_url: DatabaseOption = None,
    embedded: EmbeddedOption = False,
) -> None:
    """Has a drained node claim again; or, with QUEUE, ends that queue's pause, on all nodes.

    For a queue it needs the database, and no supervisor here.
    """
    if queue is not None:
        resume_queue(queue, as_json=as_json, database_url=database_url, embedded=embedded)
        return
    with reported(NAME):
        if embedded or database_url is not None:
            raise ConfigurationError("a database is named and no QUEUE: a drained node is resumed without one")
        reply = asked(runtime_dir, ResumeRequest(), ResumeReply)
        if as_json:
            write_json(reply)
        else:
            write("it was not drained" if reply.already else "resumed")


def scale_command(
    procs: Annotated[int, typer.Argument(min=1, help="How many children it is to have.")],
    as_json: JsonOption = False,
    runtime_dir: RuntimeDirOption = None,
) -> None:
    """Has the node run with so many children, until it ends: its next start has --procs of them again.

    The last ones go first; they finish what they have started. The same as so many SIGTTIN or SIGTTOU to currantd.
    """
    with reported(NAME):
        reply = asked(runtime_dir, ScaleRequest(procs), ScaleReply)
        if as_json:
            write_json(reply)
        else:
            write(f"{reply.procs:,} children, {reply.before:,} before")


def reload_command(as_json: JsonOption = False, runtime_dir: RuntimeDirOption = None) -> None:
    """Replaces its children, one by one, by such that run the code as it is now; waits until that is done.

    What runs is finished by the old ones. Code that cannot be imported, or whose start hooks fail, changes nothing, and
    the exit code is then 1. The same as SIGHUP to currantd.
    """
    with reported(NAME):
        reply = asked(runtime_dir, ReloadRequest(), ReloadReply)
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


def restart_command(child: ChildArgument, as_json: JsonOption = False, runtime_dir: RuntimeDirOption = None) -> None:
    """Replaces one child by a new process, which is ready first; waits until it is at work.

    The old one gets no new work and ends when it has done what it had started. Its code is the same: reload brings new
    code.
    """
    with reported(NAME):
        reply = asked(runtime_dir, RestartRequest(child), RestartReply)
        if as_json:
            write_json(reply)
        else:
            write(f"child {reply.child} is process {reply.pid} now; {reply.before} ends when it has done its work")


def log_level_command(
    level: Annotated[
        str | None,
        typer.Argument(
            autocompletion=lambda incomplete: beginning(NAMES, incomplete),
            help=f"{', '.join(NAMES)}; without it, it is only shown.",
        ),
    ] = None,
    as_json: JsonOption = False,
    runtime_dir: RuntimeDirOption = None,
) -> None:
    """Shows the level of its log, or changes it, and its children's, until its end.

    Its next start has --log-level again.
    """
    with reported(NAME):
        reply = asked(runtime_dir, LogLevelRequest(level), LogLevelReply)
        if as_json:
            write_json(reply)
        elif reply.level == reply.before:
            write(reply.level)
        else:
            write(f"{reply.level}, {reply.before} before")
