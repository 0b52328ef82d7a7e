"""The other end of the control socket: asks the supervisor behind it."""

import os
import socket
from pathlib import Path
from typing import TypeVar

import msgspec

from currant.errors import CurrantError, NoSupervisor, ProtocolError
from currant.protocol.calls import ANSWER_BYTES_MAX, Answer, answer_decoder, encode_call, read_answer
from currant.protocol.commands import Request
from currant.protocol.frames import FrameReader
from currant.protocol.status import StatusReply, StatusRequest
from currant.release import release

R = TypeVar("R", bound=msgspec.Struct)

#: How much longer than it has for its answer a supervisor is waited for, which may be busy.
PATIENCE_S = 5.0


def ask(path: Path, *, waiting: bool = True) -> StatusReply:
    """Returns how the supervisor behind the socket is; it looks into the database only for what waits there.

    Raises what `call` does.
    """
    return call(path, StatusRequest(waiting), StatusReply)


def call(path: Path, request: Request, reply: type[R]) -> R:
    """Returns what the supervisor behind the socket replies to the request, of which `reply` is the type.

    Waits as long as the request allows.

    Raises:
        NoSupervisor: there is none.
        CurrantError: it refuses, or it is of another release.
    """
    frames: FrameReader[Answer] = FrameReader(answer_decoder, ANSWER_BYTES_MAX)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(None if request.answer_s is None else request.answer_s + PATIENCE_S)
        try:
            connection.connect(str(path))
            connection.sendall(encode_call(request, release()))
            while data := connection.recv(1 << 16):
                for answer in frames.feed(data):
                    return read_answer(answer, reply, release())
        except PermissionError:
            raise CurrantError(f"{path.parent} belongs to another user: ask as that user, or as root") from None
        except (FileNotFoundError, ConnectionRefusedError):
            raise NoSupervisor(
                f"no currantd runs in {path.parent}: start it, or name its directory with --runtime-dir"
            ) from None
        except ConnectionError:
            # It cut us off: see below.
            pass
        except (OSError, ProtocolError) as error:
            raise CurrantError(f"the currantd in {path.parent} does not answer as it should: {error}") from None
    raise CurrantError(f"the currantd in {path.parent} refused to answer: {_why_refused(path)}")


def _why_refused(path: Path) -> str:
    """Returns why a supervisor hung up without a word, as far as that can be known."""
    try:
        is_trusted = os.geteuid() in (0, path.stat().st_uid)
    except OSError:
        return "it has ended"
    if is_trusted:
        return "it is older than this currantctl, or others ask it at the moment: ask again, or restart it"
    return "ask as the user that it runs as, or as root"
