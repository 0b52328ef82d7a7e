"""Every decoder, on every message of its protocol, on what is nearly one, and on what is none."""

import enum
import typing
from collections.abc import Iterable
from types import NoneType, UnionType
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from currant.backends import NewExecution
from currant.errors import ProtocolError
from currant.protocol import calls, commands, control, frames, work

LIMIT = 1 << 16
PROTOCOLS: dict[str, tuple["msgspec.msgpack.Decoder[Any]", Any]] = {
    "to a child": (work.to_child_decoder, work.ToChild),
    "from a child": (work.from_child_decoder, work.FromChild),
    "to a fork server": (control.to_fork_server_decoder, control.ToForkServer),
    "from a fork server": (control.from_fork_server_decoder, control.FromForkServer),
    "to a control socket": (calls.call_decoder, calls.Call),
    "what is asked there": (calls.request_decoder, commands.Request),
    "from a control socket": (calls.answer_decoder, calls.Answer),
}
every_protocol = pytest.mark.parametrize("protocol", PROTOCOLS)

#: Whatever MessagePack can say.
anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=10)
    | st.binary(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Returns what fits a field of this type."""
    arguments = typing.get_args(kind)
    match typing.get_origin(kind) or kind:
        case typing.Annotated:
            return _simple(arguments[0], arguments[1].ge, arguments[1].le)
        case found if found in (typing.Union, UnionType):
            return st.one_of(*map(values, arguments))
        case found if found is list:
            return st.lists(values(arguments[0]), max_size=3)
        case found if found is dict:
            return st.dictionaries(values(arguments[0]), values(arguments[1]), max_size=3)
        case found if issubclass(found, msgspec.Struct):
            return structs(found)
        case found if issubclass(found, enum.Enum):
            return st.sampled_from(found)
    return _simple(kind)


def _simple(kind: Any, low: float | None = None, high: float | None = None) -> st.SearchStrategy[Any]:
    simple: dict[Any, st.SearchStrategy[Any]] = {
        NoneType: st.none(),
        bool: st.booleans(),
        int: st.integers(-(2**63) if low is None else int(low), 2**64 - 1 if high is None else int(high)),
        float: st.floats(low, high, allow_nan=False),
        str: st.text(max_size=10),
        bytes: st.binary(max_size=10),
    }
    return simple[kind]


def structs(kind: type[msgspec.Struct]) -> st.SearchStrategy[Any]:
    fields = {field.name: values(field.type) for field in msgspec.structs.fields(kind)}
    if kind is work.Enqueue:
        # As many ids as executions.
        pairs = st.lists(st.tuples(st.text(max_size=10), structs(NewExecution)), min_size=1, max_size=3)
        return st.builds(
            lambda number, pairs: work.Enqueue(number, [id for id, _ in pairs], [new for _, new in pairs]),
            fields["number"],
            pairs,
        )
    return st.builds(kind, **fields)


def messages(protocol: str) -> st.SearchStrategy[Any]:
    _, union = PROTOCOLS[protocol]
    return st.one_of(*map(structs, typing.get_args(union) or (union,)))


def fed(protocol: str, body: bytes) -> Any:
    """Returns the message that a frame of this body holds; raises ProtocolError, and nothing else, if there is none."""
    decoder, _ = PROTOCOLS[protocol]
    (message,) = frames.FrameReader(decoder, LIMIT).feed(len(body).to_bytes(4, "big") + body)
    return message


def survives(protocol: str, body: bytes) -> None:
    """The body is a message of the protocol, or none."""
    try:
        message = fed(protocol, body)
    except ProtocolError:
        return
    assert isinstance(message, PROTOCOLS[protocol][1])


@every_protocol
@given(data=st.data())
def test_every_message_comes_back_as_it_was(protocol: str, data: st.DataObject) -> None:
    message = data.draw(messages(protocol))
    assert fed(protocol, msgspec.msgpack.encode(message)) == message


@every_protocol
@given(data=st.data())
def test_a_message_with_other_bytes_in_it_is_one_or_none(protocol: str, data: st.DataObject) -> None:
    body = bytearray(msgspec.msgpack.encode(data.draw(messages(protocol))))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(body)))
        end = data.draw(st.integers(start, min(len(body), start + 4)))
        body[start:end] = data.draw(st.binary(max_size=4))
    survives(protocol, bytes(body))


@every_protocol
@given(data=st.data())
def test_a_message_with_another_value_in_it_is_one_or_none(protocol: str, data: st.DataObject) -> None:
    plain = msgspec.msgpack.decode(msgspec.msgpack.encode(data.draw(messages(protocol))))
    survives(protocol, msgspec.msgpack.encode(_with_another(plain, data)))


def _with_another(value: Any, data: st.DataObject) -> Any:
    """Returns the value with one of those in it, at any depth, replaced, left out or doubled."""
    inside: Iterable[Any] = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    places = list(inside)
    if not places or data.draw(st.booleans()):
        return data.draw(anything)
    place = data.draw(st.sampled_from(places))
    match data.draw(st.sampled_from(["within", "without", "twice"])):
        case "without":
            del value[place]
        case "twice" if isinstance(value, list):
            value.insert(place, value[place])
        case _:
            value[place] = _with_another(value[place], data)
    return value


@every_protocol
@given(body=st.binary(max_size=300))
def test_garbage_is_a_message_or_none(protocol: str, body: bytes) -> None:
    assume(body)
    survives(protocol, body)


@every_protocol
@pytest.mark.parametrize("opening", [b"\x91", b"\x81\xa1k"], ids=["lists", "maps"])
def test_what_is_nested_without_end_is_no_message(protocol: str, opening: bytes) -> None:
    """Behind a message's last field, where a later version may have more, and in each field's place."""
    longest = {
        "to a child": ["reply", 1, None, [], []],
        "from a child": ["overrun", 1],
        "to a fork server": ["fork", 1, 0],
        "from a fork server": ["exited", 1, 1, 0],
        "to a control socket": [1, "1.0", b""],
        "what is asked there": ["status", True],
        "from a control socket": [1, "1.0", b""],
    }[protocol]
    deep = opening * (LIMIT // len(opening) - 100) + b"\x01"
    pieces = [msgspec.msgpack.encode(each) for each in longest]
    bodies = [bytes([0x90 + len(pieces) + 1]) + b"".join(pieces) + deep]
    bodies += [
        bytes([0x90 + len(pieces)]) + b"".join([*pieces[:place], deep, *pieces[place + 1 :]])
        for place in range(len(pieces))
    ]
    for body in bodies:
        with pytest.raises(ProtocolError):
            fed(protocol, body)
