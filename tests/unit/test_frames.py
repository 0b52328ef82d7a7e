"""Frames: however the stream is cut, the same messages come out; what does not belong is a ProtocolError."""

import contextlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from currant.backends import NewExecution
from currant.errors import ProtocolError
from currant.executions import Ending, Execution, Outcome
from currant.protocol import control, frames, work

LIMIT = 1 << 16

_cells = st.lists(st.integers(0, 8191), max_size=20)
_executions = st.builds(
    Execution,
    id=st.text(max_size=40),
    lease=st.integers(0, 2**63 - 1),
    tid=st.binary(max_size=6),
    function=st.text(max_size=40),
    queue=st.text(max_size=63),
    attempt=st.integers(0, 2**31 - 1),
    crashes=st.integers(0, 10),
    max_retries=st.integers(0, 2**31 - 1),
    timeout_s=st.none() | st.floats(0, 1e9),
    args=st.none() | st.binary(max_size=200),
    kwargs=st.none() | st.binary(max_size=200),
    cell=st.integers(-1, 8191),
)
_outcomes = st.builds(Outcome, st.integers(0, 8191), st.sampled_from(Ending), st.none() | st.binary(max_size=200))
_to_child = st.one_of(
    st.builds(work.Run, st.lists(_executions, max_size=5)),
    st.builds(work.Recall, _cells),
    st.builds(work.Cancel, _cells),
)
_from_child = st.one_of(
    st.builds(work.Hello, st.integers(1, 2**22)),
    st.builds(work.Outcomes, st.lists(_outcomes, max_size=5)),
    st.builds(work.Recalled, _cells),
)


def _to_child_reader() -> frames.FrameReader[work.ToChild]:
    return frames.FrameReader(work.to_child_decoder, LIMIT)


@given(st.lists(_to_child, max_size=5), st.data())
def test_any_split_of_the_stream_gives_the_same_messages(messages: list[work.ToChild], data: st.DataObject) -> None:
    stream = b"".join(frames.encode(message, LIMIT) for message in messages)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=10)))
    reader = _to_child_reader()
    received: list[work.ToChild] = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        received += reader.feed(stream[start:end])
    assert received == messages


@given(_from_child)
def test_what_a_child_says_comes_back_as_it_was(message: work.FromChild) -> None:
    reader = frames.FrameReader(work.from_child_decoder, LIMIT)
    assert reader.feed(frames.encode(message, LIMIT)) == [message]


@pytest.mark.parametrize(
    "message",
    [
        control.ServerHello(["app.add"], ["default"]),
        control.ServerHello(["app.add"], ["default"], keep_s_min=60.0, stop_hooks=True),
        control.ServerHello(
            ["app.f"],
            ["q"],
            schedules=[
                control.Schedule("* * * * *", "UTC", NewExecution("app.f", "q", 5, b"[]", b"{}", b"{}", 3, None))
            ],
        ),
        control.ImportFailed("app", "no module named 'app'", ""),
        control.Forked(1, 4711),
        control.ForkFailed(1, "Resource temporarily unavailable"),
        control.Exited(1, 4711, -9),
    ],
)
def test_what_the_fork_server_says_comes_back_as_it_was(message: control.FromForkServer) -> None:
    reader = frames.FrameReader(control.from_fork_server_decoder, LIMIT)
    assert reader.feed(frames.encode(message, LIMIT)) == [message]


def test_one_byte_at_a_time() -> None:
    reader = _to_child_reader()
    frame = frames.encode(work.Recall([1, 2, 3]), LIMIT)
    received = [message for byte in frame for message in reader.feed(bytes([byte]))]
    assert received == [work.Recall([1, 2, 3])]


def test_a_frame_over_the_limit_is_refused_from_its_header_on() -> None:
    with pytest.raises(ProtocolError, match="over the limit of 65536"):
        _to_child_reader().feed((LIMIT + 1).to_bytes(4, "big"))


def test_a_frame_over_the_limit_is_not_sent() -> None:
    with pytest.raises(ProtocolError, match=r"a Outcomes frame of \d+ bytes is over the limit of 65536"):
        frames.encode(work.Outcomes([Outcome(0, Ending.COMPLETED, b"x" * LIMIT)]), LIMIT)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xc1",
        msgspec.msgpack.encode(["no such message", 1]),
        msgspec.msgpack.encode(["recall", ["not a cell"]]),
        msgspec.msgpack.encode(["recall"]),
        msgspec.msgpack.encode({"recall": [1]}),
        msgspec.msgpack.encode(["hello", 1]),
        msgspec.msgpack.encode(["recall", [1]])[:-1],
        b"\x91" * 60000,
    ],
)
def test_a_frame_that_holds_no_message_is_refused(body: bytes) -> None:
    with pytest.raises(ProtocolError, match="holds no message that belongs here"):
        _to_child_reader().feed(len(body).to_bytes(4, "big") + body)


def test_text_that_is_not_utf8_is_refused() -> None:
    body = b"\x92\xa6rec\xffll\x90"
    with pytest.raises(ProtocolError):
        _to_child_reader().feed(len(body).to_bytes(4, "big") + body)


@given(st.binary(max_size=300))
def test_garbage_is_a_message_or_a_protocol_error(garbage: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        _to_child_reader().feed(garbage)


@given(_outcomes)
def test_the_largest_batch_fits_a_frame(outcome: Outcome) -> None:
    payload_bytes_max = 1 << 20
    full = [Outcome(cell, Ending.COMPLETED, b"x" * (frames.BATCH_BYTES // 64)) for cell in range(64)]
    batch = [*full, outcome, Outcome(0, Ending.COMPLETED, b"x" * payload_bytes_max)]
    limit = frames.frame_bytes_max(payload_bytes_max)
    assert len(frames.encode(work.Outcomes(batch), limit)) <= limit


_new_executions = st.builds(
    NewExecution,
    function=st.text(max_size=40),
    queue=st.text(max_size=63),
    priority=st.integers(-(2**31), 2**31 - 1),
    args=st.binary(max_size=200),
    kwargs=st.binary(max_size=200),
    options=st.binary(max_size=40),
    max_retries=st.integers(0, 2**31 - 1),
    timeout_s=st.none() | st.integers(1, 2**31 - 1),
    delay_s=st.none() | st.floats(0, 1e9),
    run_at_s=st.none() | st.floats(0, 1e9),
    unique_key=st.none() | st.text(max_size=40),
    unique_for_s=st.none() | st.floats(0, 1e9),
)


@given(st.lists(_new_executions, max_size=5), st.integers(0, 5))
def test_an_enqueue_has_as_many_ids_as_executions_or_is_no_message(executions: list[NewExecution], others: int) -> None:
    right = work.Enqueue(7, ["1"], [NewExecution("f", "q", 5, b"[]", b"{}", b"{}", 3, None)])
    right.ids, right.executions = [str(each) for each in range(others)], executions
    reader = frames.FrameReader(work.from_child_decoder, LIMIT)
    frame = frames.encode(right, LIMIT)
    if executions and len(executions) == others:
        assert reader.feed(frame) == [right]
    else:
        with pytest.raises(ProtocolError, match="executions"):
            reader.feed(frame)
