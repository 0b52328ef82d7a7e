"""`currantctl pause` and `currantctl resume QUEUE`: for all nodes of the database, which is all that they need."""

import getpass
import os
import socket
import sys
from typing import Annotated

import typer

from currant.cli import output
from currant.cli.common import DatabaseOption, EmbeddedOption, ask, named_database
from currant.cli.ctl.asked import NAME, JsonOption
from currant.cli.ctl.completing import queue_names
from currant.errors import ConfigurationError, CurrantError
from currant.names import check_queue, stored_size
from currant.store import pauses
from currant.store.connections import Connection
from currant.store.pauses import Resumed

REASON_CHARACTERS_MAX = 500


def _reason(value: str) -> str:
    if not stored_size(value) or len(value) > REASON_CHARACTERS_MAX:
        raise typer.BadParameter(f"must be a text of 1 to {REASON_CHARACTERS_MAX} characters, in UTF-8")
    return value


def queue_name(value: str) -> str:
    """Returns the name of a queue; raises typer.BadParameter when none can have it."""
    try:
        return check_queue(value)
    except ConfigurationError as error:
        raise typer.BadParameter(str(error)) from None


QueueArgument = Annotated[
    str,
    typer.Argument(
        parser=queue_name, help="The queue's name, as `currant queues` shows it.", autocompletion=queue_names
    ),
]


def pause_command(
    queue: QueueArgument,
    reason: Annotated[
        str | None, typer.Option("--reason", metavar="TEXT", parser=_reason, help="Why, for whoever looks.")
    ] = None,
    as_json: JsonOption = False,
    database_url: DatabaseOption = None,
    embedded: EmbeddedOption = False,
) -> None:
    """Has all nodes stop claiming from a queue, until it is resumed. It needs the database, and no supervisor here.

    What nodes have claimed of it goes on. What is enqueued is accepted and waits. A queue that is paused already stays
    as it is. `currant queues` shows the paused ones: since when, by whom, and why.
    """
    with named_database(database_url, embedded=embedded, command=NAME) as settings:
        paused, now_s = ask(settings, lambda connection: pauses.pause(connection, queue, by=_who(), reason=reason))
        if not paused.known:
            print(
                f"{NAME}: warning: no node serves the queue {queue}, and nothing waits in it: a slip of the pen?"
                f" It stays paused: {NAME} resume {queue}",
                file=sys.stderr,
            )
        if as_json:
            output.write_json({"new": paused.new, "pause": paused.pause})
        elif paused.new:
            output.write(f"paused {queue}")
        else:
            page = output.Page()
            page.add(f"{queue} is paused already: {output.paused(paused.pause, now_s)}")


def resume_queue(queue: str, *, as_json: bool, database_url: str | None, embedded: bool) -> None:
    """Ends a queue's pause, on all nodes, and reports the command's errors."""
    with named_database(database_url, embedded=embedded, command=NAME) as settings:
        resumed, now_s = ask(settings, lambda connection: _resume(connection, queue))
        if as_json:
            output.write_json({"resumed": resumed.pause is not None, "pause": resumed.pause})
        elif resumed.pause is None:
            output.write(f"{queue} was not paused")
        else:
            page = output.Page()
            page.add(f"resumed {queue}, which was paused {output.paused(resumed.pause, now_s)}")


async def _resume(connection: Connection, queue: str) -> Resumed:
    resumed = await pauses.resume(connection, queue)
    if resumed.pause is None and not resumed.known:
        paused = ", ".join(each.queue for each in await pauses.list_paused(connection)) or "none"
        raise CurrantError(
            f"the queue {queue} is not paused, nor served, and nothing waits in it; paused are: {paused}"
        )
    return resumed


def _who() -> str:
    """Returns who pauses, for people: not who the database says that it is, which is the same for all of them."""
    try:
        user = os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        user = ""
    if not stored_size(user):
        user = f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname()}"
