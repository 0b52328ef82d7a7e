"""`currantctl`: asks the supervisor on this machine."""

import socket
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from currant import settings as setting
from currant.cli.common import reported
from currant.errors import CurrantError, ProtocolError
from currant.protocol.frames import FrameReader, encode
from currant.protocol.status import (
    CONTROL_REPLY_BYTES_MAX,
    CONTROL_REQUEST_BYTES_MAX,
    StatusReply,
    StatusRequest,
    reply_decoder,
)
from currant.supervisor.instance import SOCKET_NAME

EXCHANGE_S = 10.0

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)


@app.callback()
def currantctl() -> None:
    """Asks the currantd of this machine over its control socket."""


@app.command()
def status(
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    runtime_dir: Annotated[
        Path | None, typer.Option("--runtime-dir", help="The runtime directory of the currantd that is meant.")
    ] = None,
) -> None:
    """Shows its children and slots, what became of the executions, and the rates."""
    with reported("currantctl"):
        settings = setting.load({"runtime_dir": runtime_dir})
        reply = ask(settings.runtime_dir / SOCKET_NAME)
        if as_json:
            print(msgspec.json.format(msgspec.json.encode(reply), indent=2).decode())
        else:
            show(reply, Console())


def ask(path: Path) -> StatusReply:
    """Returns the answer of the supervisor behind the socket. Raises CurrantError when there is none."""
    frames: FrameReader[StatusReply] = FrameReader(reply_decoder, CONTROL_REPLY_BYTES_MAX)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(EXCHANGE_S)
        try:
            connection.connect(str(path))
            connection.sendall(encode(StatusRequest(), CONTROL_REQUEST_BYTES_MAX))
            while data := connection.recv(1 << 16):
                for reply in frames.feed(data):
                    return reply
        except (FileNotFoundError, ConnectionRefusedError):
            raise CurrantError(
                f"no currantd runs in {path.parent}: start it, or name its directory with --runtime-dir"
            ) from None
        except (OSError, ProtocolError) as error:
            raise CurrantError(f"the currantd in {path.parent} does not answer as it should: {error}") from None
    raise CurrantError(f"the currantd in {path.parent} refused to answer: ask as the user that it runs as, or as root")


def show(reply: StatusReply, console: Console) -> None:
    """Prints the answer for people."""
    running = sum(child.running for child in reply.children)
    slots = sum(child.slots for child in reply.children)
    console.print(f"[bold]{reply.node}[/] {reply.phase}, pid {reply.pid}, up {_duration(reply.uptime_s)}")
    console.print(f"queues {', '.join(reply.queues) or 'none'}; {running} of {slots} slots taken")
    console.print(f"{reply.completed_per_s:,.1f} completed/s, {reply.statements_per_s:,.2f} statements/s")
    for name, reason in reply.connections_lost.items():
        console.print(f"[red]connection {name} is lost:[/] {reason}")

    children = Table("child", "pid", "state", "running", "slots", "waiting", "finished", title="children")
    for child in reply.children:
        pid = str(child.pid or "")
        cells = (child.running, child.slots, child.waiting, child.finished)
        children.add_row(str(child.child), pid, child.state, *(f"{cell:,}" for cell in cells))
    console.print(children)

    executions = Table("executions since the start", "count")
    for outcome, count in {**reply.executions, "unsaved": reply.unsaved}.items():
        executions.add_row(outcome, f"{count:,}")
    console.print(executions)

    if reply.pending is None or reply.parked is None:
        console.print("[red]the database does not answer: what waits there is not known[/]")
        return
    for queue, count in reply.pending.items():
        console.print(f"queue {queue}: {count:,} pending")
    for function, count in reply.parked.items():
        console.print(f"[yellow]parked:[/] {count:,} of {function}, which no module of this node registers")


def _duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"


def main() -> None:
    app()
