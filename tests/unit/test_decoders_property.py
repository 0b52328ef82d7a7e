"""Every decoder of every protocol: a message of its own comes out, or a ProtocolError, whatever goes in.

Nothing else is caught where frames are read (`FrameReader.feed`): another exception would end more than its sender.
"""

from types import UnionType
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from currant.errors import ProtocolError
from currant.protocol import control, frames, status, work
from tests.unit.messages import messages

LIMIT = 1 << 17
#: Above what the interpreter allows of calls within calls.
TOO_DEEP = 20_000


class Protocol(NamedTuple):
    decoder: "msgspec.msgpack.Decoder[Any]"
    union: UnionType

    def read(self, body: bytes) -> list[Any]:
        """Reads one frame. Raises what a reader of this protocol does."""
        return frames.FrameReader(self.decoder, LIMIT).feed(len(body).to_bytes(4, "big") + body)

    def check(self, body: bytes) -> None:
        """Holds the reader to what it promises of a frame with this body."""
        try:
            (message,) = self.read(body)
        except ProtocolError:
            return
        assert isinstance(message, self.union)
        # What was let in is a message that can be passed on.
        assert self.read(_body(message)) == [message] or _has_nan(message)


PROTOCOLS = {
    "to a child": Protocol(work.to_child_decoder, work.ToChild),
    "from a child": Protocol(work.from_child_decoder, work.FromChild),
    "to the fork server": Protocol(control.to_fork_server_decoder, control.ToForkServer),
    "from the fork server": Protocol(control.from_fork_server_decoder, control.FromForkServer),
    "control request": Protocol(status.request_decoder, status.ControlRequest),
    "control reply": Protocol(status.reply_decoder, status.ControlReply),
}
each_protocol = pytest.mark.parametrize("protocol", PROTOCOLS.values(), ids=PROTOCOLS.keys())

#: What a field may be in place of what it should be.
_others: st.SearchStrategy[Any] = st.sampled_from(
    [
        None, True, 0, -1, 2**31, 2**53, 2**63, 2**64 - 1, -(2**63), 0.5, -0.0, float("nan"), float("inf"),
        "", "a\0b", "run", b"", b"\xff", [], [[]], [None], {}, {"type": "status"}, {1: 2}, ["run", []],
        msgspec.msgpack.Ext(-1, b"\0" * 4), msgspec.msgpack.Ext(5, b"x"),
    ]
)  # fmt: skip


def _body(message: object) -> bytes:
    return bytes(frames.encode(message, LIMIT)[4:])  # type: ignore[arg-type]


def _has_nan(message: object) -> bool:
    return "nan" in repr(message)


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Returns where in the decoded value something can be put in another's place: containers, each with a key."""
    found: list[tuple[Any, Any]] = []
    if isinstance(value, list | dict):
        for key, below in list(enumerate(value) if isinstance(value, list) else value.items()):
            found += [(value, key), *_places(below)]
    return found


@each_protocol
@settings(max_examples=20)
@given(st.data())
def test_a_valid_message_comes_back_as_it_was(protocol: Protocol, data: st.DataObject) -> None:
    message = data.draw(messages(protocol.union))
    assert protocol.read(_body(message)) == [message]


@each_protocol
@settings(max_examples=30)
@given(body=st.binary(max_size=100))
def test_any_bytes_are_a_message_or_a_protocol_error(protocol: Protocol, body: bytes) -> None:
    protocol.check(body)


@each_protocol
@settings(max_examples=20)
@given(st.data())
def test_a_message_with_wrong_bytes_is_one_or_a_protocol_error(protocol: Protocol, data: st.DataObject) -> None:
    body = bytearray(_body(data.draw(messages(protocol.union))))
    for _ in range(data.draw(st.integers(0, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    start, size = data.draw(st.integers(0, len(body))), data.draw(st.sampled_from([0, 0, 1, 5, LIMIT]))
    body[start : start + size] = data.draw(st.binary(max_size=3))
    protocol.check(bytes(body))


@each_protocol
@settings(max_examples=20)
@given(st.data())
def test_a_message_with_a_wrong_field_is_one_or_a_protocol_error(protocol: Protocol, data: st.DataObject) -> None:
    value = msgspec.msgpack.decode(_body(data.draw(messages(protocol.union))))
    container, key = data.draw(st.sampled_from(_places(value)))
    container[key] = data.draw(_others)
    protocol.check(msgspec.msgpack.encode(value))


@each_protocol
@settings(max_examples=6)
@given(st.data())
def test_a_message_with_something_deep_in_it_is_a_protocol_error(protocol: Protocol, data: st.DataObject) -> None:
    """In place of a field, and where a newer peer's field would stand, which is passed over."""
    mark = b"\xc4\x06unlike"
    value = msgspec.msgpack.decode(_body(data.draw(messages(protocol.union))))
    container, key = data.draw(st.sampled_from(_places(value)))
    if isinstance(container, dict):
        container[data.draw(st.sampled_from([key, "a newer field"]))] = b"unlike"
    elif data.draw(st.booleans()):
        container.append(b"unlike")
    else:
        container[key] = b"unlike"
    deep = data.draw(st.sampled_from([b"\x91", b"\x81\xa1x", b"\x81\x91"])) * TOO_DEEP + b"\x90"
    body = msgspec.msgpack.encode(value)
    assert mark in body
    with pytest.raises(ProtocolError):
        protocol.read(body.replace(mark, deep))
