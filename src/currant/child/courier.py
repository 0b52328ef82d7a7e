"""Requests of many callers in few frames, and the replies back to each: what is asked in one turn of the loop, or while
too much is unanswered, goes together."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from currant.errors import DatabaseError
from currant.protocol.frames import BATCH_BYTES
from currant.protocol.work import WINDOW_BYTES, FromChild, Reply

#: A frame holds at most so many rows.
ROWS_MAX = 1000

R = TypeVar("R")
A = TypeVar("A")


@dataclass(eq=False)
class _Request(Generic[R, A]):
    rows: list[R]
    size: int
    answer: "asyncio.Future[list[A]]"
    #: It was refused together with others, and is asked again by itself.
    alone: bool = False


@dataclass(eq=False)
class _Parcel(Generic[R, A]):
    """What goes in one frame."""

    requests: list[_Request[R, A]]
    size: int
    ids: list[str]


class Courier(Generic[R, A]):
    """Sends requests of one kind, in the order in which they come."""

    def __init__(
        self,
        send: Callable[[FromChild], None],
        loop: asyncio.AbstractEventLoop,
        *,
        frame: Callable[[list[R]], tuple[FromChild, int, list[str]]],
        answers: Callable[[list[str], Reply], list[A]],
    ) -> None:
        """
        Args:
            frame: returns the rows as a message, the message's number, and the ids in it.
            answers: returns the answer for each of the ids.
        """
        self._send, self._loop, self._frame, self._answers = send, loop, frame, answers
        self._waiting: deque[_Request[R, A]] = deque()
        self._sent: dict[int, _Parcel[R, A]] = {}
        self._unanswered_bytes = 0
        self._flush_is_due = False

    def ask(self, rows: list[R], size: int) -> "asyncio.Future[list[A]]":
        """Returns the answer to come: one for each row. One that is cancelled before it was sent never is.

        Args:
            rows: at least one, which go in one frame and so, all or none, into one transaction.
            size: about their bytes in the frame.
        """
        request = _Request(rows, size, self._loop.create_future())
        self._waiting.append(request)
        self._flush_soon()
        return request.answer

    def take(self, reply: Reply) -> bool:
        """Takes a reply; returns whether it was to a request of this kind."""
        parcel = self._sent.pop(reply.number, None)
        if parcel is None:
            return False
        self._unanswered_bytes -= parcel.size
        if reply.error is None:
            answers = self._answers(parcel.ids, reply)
            start = 0
            for request in parcel.requests:
                end = start + len(request.rows)
                if not request.answer.done():
                    request.answer.set_result(answers[start:end])
                start = end
        else:
            self._refused(parcel.requests, DatabaseError(reply.error))
        if self._waiting:
            self._flush_soon()
        return True

    def close(self, error: Exception) -> None:
        """Fails everything that is not answered."""
        for parcel in self._sent.values():
            _fail(parcel.requests, error)
        _fail(self._waiting, error)
        self._sent.clear()
        self._waiting.clear()

    def _refused(self, requests: list[_Request[R, A]], error: Exception) -> None:
        """Nothing of these is done. Of several it may be the fault of one: each is asked again by itself."""
        if len(requests) == 1:
            _fail(requests, error)
            return
        for request in reversed(requests):
            request.alone = True
            self._waiting.appendleft(request)

    def _flush_soon(self) -> None:
        if not self._flush_is_due:
            self._flush_is_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_is_due = False
        while requests := self._next_requests():
            rows = [row for request in requests for row in request.rows]
            size = sum(request.size for request in requests)
            try:
                message, number, ids = self._frame(rows)
                self._send(message)
            except Exception as error:
                # Text that is no UTF-8, or too large for a frame: the fault of what was asked.
                self._refused(requests, error)
                continue
            self._sent[number] = _Parcel(requests, size, ids)
            self._unanswered_bytes += size

    def _next_requests(self) -> list[_Request[R, A]]:
        """Takes what goes into the next frame; nothing when the window is full."""
        waiting = self._waiting
        taken: list[_Request[R, A]] = []
        rows = size = 0
        while waiting:
            request = waiting[0]
            if not request.answer.done():
                rows += len(request.rows)
                size += request.size
                if self._unanswered_bytes and self._unanswered_bytes + size > WINDOW_BYTES:
                    break
                if taken and (rows > ROWS_MAX or size > BATCH_BYTES or request.alone):
                    break
                taken.append(request)
            waiting.popleft()
            if taken and request.alone:
                break
        return taken


def _fail(requests: "deque[_Request[R, A]] | list[_Request[R, A]]", error: Exception) -> None:
    for request in requests:
        if not request.answer.done():
            request.answer.set_exception(error)
