"""What the shell may complete: queues and children of the node, which its supervisor is asked for. No database is."""

from collections.abc import Iterable
from typing import Annotated

import typer

from currant.cli.ctl.asked import socket_path
from currant.errors import CurrantError
from currant.protocol.status import StatusReply
from currant.supervisor.asking import ask


def child_numbers(context: typer.Context, incomplete: str) -> list[str]:
    """Returns the numbers of the children that begin so."""
    reply = _status(context)
    return _beginning((str(each.child) for each in reply.children) if reply else (), incomplete)


def queue_names(context: typer.Context, incomplete: str) -> list[str]:
    """Returns the queues of the node that begin so."""
    reply = _status(context)
    return _beginning(reply.queues if reply else (), incomplete)


def _status(context: typer.Context) -> StatusReply | None:
    try:
        return ask(socket_path(context.params.get("runtime_dir")), waiting=False)
    except CurrantError:
        # Nothing to complete with is no reason to disturb the line that somebody writes.
        return None


def _beginning(words: Iterable[str], incomplete: str) -> list[str]:
    return [word for word in words if word.startswith(incomplete)]


ChildArgument = Annotated[
    int,
    typer.Argument(min=0, help="The child's number, as currantctl status shows it.", autocompletion=child_numbers),
]
ChildOption = Annotated[
    int | None,
    typer.Argument(
        min=0,
        help="Of this child alone; its number, as currantctl status shows it.",
        autocompletion=child_numbers,
    ),
]
