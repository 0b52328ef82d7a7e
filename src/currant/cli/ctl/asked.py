"""What the commands of `currantctl` share: their options, and the way to the supervisor."""

from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
import typer

from currant import settings as setting
from currant.protocol.commands import Request
from currant.supervisor.asking import call
from currant.supervisor.instance import SOCKET_NAME

R = TypeVar("R", bound=msgspec.Struct)

NAME = "currantctl"
ChildArgument = Annotated[int, typer.Argument(min=0, help="The child's number, as currantctl status shows it.")]
ChildOption = Annotated[
    int | None, typer.Argument(min=0, help="Of this child alone; its number, as currantctl status shows it.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="For programs.")]


def asked(runtime_dir: str | None, request: Request, reply: type[R]) -> R:
    """Returns the reply of the supervisor in that directory, or in that of the settings.

    Raises:
        CurrantError: none runs there, or it refuses.
        ConfigurationError: the directory cannot be one.
    """
    return call(socket_path(runtime_dir), request, reply)


def socket_path(runtime_dir: str | None) -> Path:
    """Returns where the supervisor listens. Raises ConfigurationError."""
    return setting.load({"runtime_dir": runtime_dir}).runtime_dir / SOCKET_NAME
