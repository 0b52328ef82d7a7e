"""What the commands of `currantctl` share: their options, and the way to the supervisor."""

import os
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
import typer

from currant import settings as setting
from currant.errors import NoSupervisor
from currant.protocol.commands import Request
from currant.supervisor.asking import call
from currant.supervisor.instance import SOCKET_NAME

R = TypeVar("R", bound=msgspec.Struct)

NAME = "currantctl"
#: Where the units in deploy/systemd have theirs.
_SERVICES = Path("/run/currantd*")
JsonOption = Annotated[bool, typer.Option("--json", help="For programs.")]


def asked(runtime_dir: str | None, request: Request, reply: type[R]) -> R:
    """Returns the reply of the supervisor in that directory, or in that of the settings.

    Raises:
        NoSupervisor: none runs there; it says where else one does.
        CurrantError: it refuses.
        ConfigurationError: the directory cannot be one.
    """
    path = socket_path(runtime_dir)
    try:
        return call(path, request, reply)
    except NoSupervisor:
        raise NoSupervisor(_nobody(path.parent, setting.why_runtime_dir(runtime_dir))) from None


def socket_path(runtime_dir: str | None) -> Path:
    """Returns where the supervisor listens. Raises ConfigurationError."""
    return setting.load({"runtime_dir": runtime_dir}).runtime_dir / SOCKET_NAME


def _nobody(folder: Path, why: str) -> str:
    """Returns where was looked, and why there; and where a supervisor seems to be that can be asked."""
    others = [*setting.runtime_dirs().values(), *_SERVICES.parent.glob(_SERVICES.name)]
    sockets = {each / SOCKET_NAME for each in others if each != folder}
    found = sorted(str(each.parent) for each in sockets if os.access(each, os.R_OK | os.W_OK))
    such_as = f", such as {found[0]}, where one seems to run" if found else ""
    return f"no currantd runs in {folder} ({why}): start it, or name its directory with --runtime-dir{such_as}"
