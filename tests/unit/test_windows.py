"""Windows: what a child has asked for and not been answered is bounded, whichever part of its frames is large."""

import pytest

from currant.backends import NewExecution
from currant.child.backend import _check
from currant.errors import ProtocolError
from currant.identifiers import new_ids
from currant.protocol.frames import frame_bytes_max
from currant.protocol.work import CancelIds, Enqueue, Reply
from currant.supervisor.windows import Windows, _size

FRAME_MAX = frame_bytes_max(1 << 20)
LARGE = 1 << 20


class Child:
    def __init__(self) -> None:
        self.id, self.sent, self.too_large = 0, list[Reply](), False

    def send(self, message: Reply) -> None:
        if self.too_large:
            raise ProtocolError("too large")
        self.sent.append(message)


def new(**fields: object) -> NewExecution:
    made = NewExecution("app.f", "q", 5, b"[]", b"{}", b"{}", 3, None)
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def flood(windows: Windows, child: Child, message: Enqueue | CancelIds) -> None:
    for _ in range(64):
        windows.open(child, message)


@pytest.mark.parametrize(
    "message",
    [
        Enqueue(1, ["job_1"], [new(args=b"x" * LARGE)]),
        Enqueue(1, ["job_1"], [new(kwargs=b"x" * LARGE)]),
        Enqueue(1, ["job_1"], [new(options=b"x" * LARGE)]),
        Enqueue(1, ["job_1"], [new(function="x" * LARGE)]),
        Enqueue(1, ["job_1"], [new(queue="x" * LARGE)]),
        Enqueue(1, ["job_1"], [new(unique_key="x" * LARGE)]),
        Enqueue(1, ["x" * LARGE], [new()]),
        CancelIds(1, ["x" * LARGE]),
    ],
    ids=["args", "kwargs", "options", "function", "queue", "unique_key", "id", "cancelled id"],
)
def test_a_flood_is_refused_whichever_part_of_it_is_large(message: Enqueue | CancelIds) -> None:
    windows, child = Windows(FRAME_MAX), Child()
    for _ in range(FRAME_MAX // LARGE):
        windows.open(child, message)
    with pytest.raises(ProtocolError, match="before it is answered"):
        flood(windows, child, message)


def test_an_answer_makes_room_and_one_that_cannot_be_sent_does_not() -> None:
    windows, child = Windows(FRAME_MAX), Child()
    message = Enqueue(1, ["job_1"], [new(args=b"x" * FRAME_MAX)])
    for _ in range(10):
        windows.open(child, message)(Reply(1))
    assert len(child.sent) == 10
    answer = windows.open(child, message)
    child.too_large = True
    with pytest.raises(ProtocolError, match="too large"):
        answer(Reply(1))
    with pytest.raises(ProtocolError, match="before it is answered"):
        windows.open(child, message)
    child.too_large = False
    answer(Reply(1, error="too large"))
    windows.open(child, message)


def test_a_row_counts_no_more_here_than_in_the_child() -> None:
    # Else a child that keeps to its own window would be taken for a broken one.
    one = new(unique_key="key")
    assert _size(Enqueue(1, new_ids(1), [one])) <= _check(one, 1 << 20)
