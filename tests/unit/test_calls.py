"""Calls and answers on the control socket: what another release says is told as that, and never as a decode error."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from currant.errors import CurrantError, ProtocolError
from currant.protocol import calls
from currant.protocol.calls import PROTOCOL, Answer, Call, Refused, read_answer, read_call
from currant.protocol.commands import ReloadReply, ReloadRequest
from currant.protocol.status import StatusReply, StatusRequest


def _call(request: object, *, protocol: int = PROTOCOL, release: str = "2.0") -> Call:
    return Call(protocol, release, msgspec.msgpack.encode(request))


def _answer(reply: object, *, protocol: int = PROTOCOL, release: str = "2.0") -> Answer:
    return Answer(protocol, release, msgspec.msgpack.encode(reply))


def test_a_request_and_its_reply_come_as_they_were_sent() -> None:
    assert calls.call_decoder.decode(calls.encode_call(StatusRequest(False), "2.0")[4:]).protocol == PROTOCOL
    assert read_call(_call(StatusRequest(False)), "2.0") == StatusRequest(False)
    reply = ReloadReply(None, ["a"], ["a"], [])
    assert read_answer(_answer(reply), ReloadReply, "2.0") == reply


def test_another_protocol_is_named_with_both_releases_whatever_the_message_is() -> None:
    for protocol, age in ((PROTOCOL - 1, "older"), (PROTOCOL + 1, "newer")):
        with pytest.raises(CurrantError, match=rf"this currantd is {age} than this currantctl: .* 7\.0 .* 2\.0"):
            read_answer(_answer(["?"], protocol=protocol, release="7.0"), ReloadReply, "2.0")
        # It is asked nothing that it might take for something else.
        assert isinstance(read_call(_call(StatusRequest(), protocol=protocol), "2.0"), Refused)


def test_what_only_another_release_knows_is_refused_with_both_releases() -> None:
    refused = read_call(_call(["juggle", 3], release="7.0"), "2.0")
    assert isinstance(refused, Refused)
    assert "this currantd is of Currant 2.0 and does not know what currantctl 7.0 asks" in refused.message
    with pytest.raises(CurrantError, match=r"does not know what currantctl 7\.0 asks"):
        read_answer(_answer(refused), StatusReply, "7.0")


def test_what_a_later_release_adds_to_a_message_is_passed_over() -> None:
    assert read_call(_call(["reload", "more", 1]), "2.0") == ReloadRequest()
    reply = {"type": "reload", "error": "no", "more": {"a": 1}}
    assert read_answer(_answer(reply), ReloadReply, "2.0") == ReloadReply("no")


@given(st.binary(max_size=200))
def test_an_answer_that_is_none_is_said_to_be_none(body: bytes) -> None:
    with pytest.raises(ProtocolError):
        read_answer(Answer(PROTOCOL, "2.0", body), StatusReply, "2.0")
