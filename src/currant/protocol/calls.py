"""What goes over a supervisor's control socket: one Call, one Answer. Bytes in, messages out; no I/O.

Each of both says which protocol its sender speaks, outside of what it says in it: a `currantctl` of another release
than `currantd` is told so, instead of that a message cannot be read. PROTOCOL grows when a message changes so that the
other side would take it for something else; a new kind of request, or a new field with a default, is no such change.
"""

from typing import TypeVar

import msgspec

from currant.errors import CurrantError, ProtocolError
from currant.protocol.commands import CONTROL_REPLY_BYTES_MAX, Request
from currant.protocol.frames import UNDECODABLE, encode

R = TypeVar("R", bound=msgspec.Struct)

PROTOCOL = 1
#: A request names a few executions at the most.
CALL_BYTES_MAX = 4096
ANSWER_BYTES_MAX = CONTROL_REPLY_BYTES_MAX + 256


class Call(msgspec.Struct, array_like=True):
    """To the supervisor: a request, encoded by itself. `release` is the sender's, for people."""

    protocol: int
    release: str
    request: bytes


class Answer(msgspec.Struct, array_like=True):
    """From the supervisor: a reply, or Refused, encoded by itself; of another protocol than ours it is not read."""

    protocol: int
    release: str
    reply: bytes


class Refused(msgspec.Struct, tag="refused"):
    """In place of the reply: why it is not done, in one line."""

    message: str


call_decoder = msgspec.msgpack.Decoder(Call)
answer_decoder = msgspec.msgpack.Decoder(Answer)
request_decoder: msgspec.msgpack.Decoder[Request] = msgspec.msgpack.Decoder(Request)


def encode_call(request: Request, release: str) -> bytearray:
    """Returns the frame of a request. Raises ProtocolError: it is too large."""
    return encode(Call(PROTOCOL, release, msgspec.msgpack.encode(request)), CALL_BYTES_MAX)


def encode_answer(reply: msgspec.Struct, release: str) -> bytearray:
    """Returns the frame of a reply. Raises ProtocolError: it is too large."""
    return encode(Answer(PROTOCOL, release, msgspec.msgpack.encode(reply)), ANSWER_BYTES_MAX)


def read_call(call: Call, release: str) -> "Request | Refused":
    """Returns what is asked, or the word that it is not understood: the sender is of another `release` than ours."""
    if call.protocol != PROTOCOL:
        return Refused(f"it speaks protocol {PROTOCOL}, and was asked in protocol {call.protocol}")
    try:
        return request_decoder.decode(call.request)
    except UNDECODABLE as error:
        asked = f"what currantctl {call.release} asks" if call.release != release else "what it was asked"
        return Refused(f"this currantd is of Currant {release} and does not know {asked}: {error}")


def read_answer(answer: Answer, reply: type[R], release: str) -> R:
    """Returns the reply to our request.

    Raises:
        CurrantError: it was refused, or the currantd is of another release and speaks another protocol.
        ProtocolError: it is none.
    """
    if answer.protocol != PROTOCOL:
        age = "older" if answer.protocol < PROTOCOL else "newer"
        raise CurrantError(
            f"this currantd is {age} than this currantctl: it is of Currant {answer.release} and speaks protocol"
            f" {answer.protocol}, currantctl of {release} speaks {PROTOCOL}: use the currantctl that was installed"
            " with it, or restart currantd if it still runs what was there before an upgrade"
        )
    try:
        found: R | Refused = msgspec.msgpack.decode(answer.reply, type=reply | Refused)
    except UNDECODABLE as error:
        raise ProtocolError(f"its answer is none: {error}") from None
    if isinstance(found, Refused):
        raise CurrantError(found.message)
    return found
