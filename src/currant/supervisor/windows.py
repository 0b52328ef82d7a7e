"""What children have asked for and not been answered: bounded, whatever user code writes to its child's socket."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from currant.errors import ProtocolError
from currant.protocol.work import WINDOW_BYTES, CancelIds, Enqueue, Reply

#: What a row, or an id to cancel, takes beside its texts; with an id of ours no more than the child counts for it.
_ROW_BYTES, _ID_BYTES = 100, 10

Answer = Callable[[Reply], None]


class Child(Protocol):
    """What is needed of a child."""

    @property
    def id(self) -> int: ...
    def send(self, message: Reply) -> None: ...


@dataclass(eq=False)
class _Window:
    unanswered_bytes: int = 0


class Windows:
    """Counts, for each child, the bytes of its requests that wait for their answers.

    A child keeps to a window by itself, for enqueues and for cancels, or has one frame larger than it under way. What
    is beyond that was not sent by us: such a child is broken, and its requests would fill our memory.
    """

    def __init__(self, frame_bytes_max: int) -> None:
        self._bytes_max = 2 * max(WINDOW_BYTES, frame_bytes_max)
        self._windows: dict[int, _Window] = {}

    def open(self, child: Child, message: Enqueue | CancelIds) -> Answer:
        """Takes a request of the child's, and returns how it is answered.

        Raises:
            ProtocolError: the child has asked for more than it may before it is answered.
        """
        size = _size(message)
        window = self._windows.setdefault(child.id, _Window())
        if window.unanswered_bytes + size > self._bytes_max:
            raise ProtocolError(f"it asks for more than {self._bytes_max} bytes before it is answered")
        window.unanswered_bytes += size

        def answer(reply: Reply) -> None:
            # First, for it raises what is too large to be sent, and another answer is given then.
            child.send(reply)
            window.unanswered_bytes -= size

        return answer

    def forget(self, child: Child) -> None:
        """The child is gone."""
        self._windows.pop(child.id, None)


def _size(message: Enqueue | CancelIds) -> int:
    size = sum(map(len, message.ids))
    if isinstance(message, CancelIds):
        return size + _ID_BYTES * len(message.ids)
    return size + sum(
        [
            len(each.args)
            + len(each.kwargs)
            + len(each.options)
            + len(each.function)
            + len(each.queue)
            + _ROW_BYTES
            # Hardly any has one.
            + (0 if each.unique_key is None else len(each.unique_key))
            for each in message.executions
        ]
    )
