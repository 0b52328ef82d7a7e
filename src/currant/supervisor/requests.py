"""What children enqueue and cancel: what came while the last write was under way is the next statement. No timer."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from currant.backends import Enqueued, NewExecution
from currant.errors import DatabaseError, DatabaseUnreachable, ProtocolError, RowLocked, StatementRefused
from currant.protocol.work import CancelIds, Enqueue, Reply

#: A write is cut where its frames reach so many rows, or so many bytes; one frame is always whole.
WRITE_ROWS_MAX = 3000
WRITE_BYTES_MAX = 8 << 20
#: How long a frame waits of which someone else holds a row, or is about to insert a unique key.
LOCKED_S = 1.0

Answer = Callable[[Reply], None]
M = TypeVar("M", Enqueue, CancelIds)


class Writer(Protocol):
    """Each writes all or nothing. `doubt`: it may have been written before, on a connection that was lost.

    Raises DatabaseUnreachable when it is not known whether it is written, StatementRefused when it is not.
    """

    async def enqueue(
        self, ids: Sequence[str], executions: Sequence[NewExecution], *, doubt: bool
    ) -> list[Enqueued]: ...
    async def cancel(self, ids: Sequence[str], *, doubt: bool) -> set[str]: ...


@dataclass(eq=False)
class _Frame(Generic[M]):
    message: M
    answer: Answer
    size: int
    #: It may have been written, unseen.
    doubt: bool = False


@dataclass(eq=False)
class _Lane(Generic[M]):
    """Frames of one kind that wait, and how some of them are written; `write` returns the replies to them."""

    write: Callable[[list[_Frame[M]], bool], Awaitable[list[Reply]]]
    waiting: list[_Frame[M]]

    def take(self) -> list[_Frame[M]]:
        rows = size = count = 0
        for frame in self.waiting:
            rows += len(frame.message.ids)
            size += frame.size
            if count and (rows > WRITE_ROWS_MAX or size > WRITE_BYTES_MAX):
                break
            count += 1
        taken, self.waiting = self.waiting[:count], self.waiting[count:]
        return taken


class Requests:
    """Carries out what children ask for. Each frame is answered once, and of a child that is gone to nobody.

    Memory is bounded by the children: each waits for answers before it sends more than its window.
    """

    def __init__(
        self,
        writer: Writer,
        *,
        pause: Callable[[], Awaitable[None]],
        written: Callable[[list[NewExecution]], None],
        refused: Callable[[str], None],
    ) -> None:
        """
        Args:
            pause: waits after a failure of the database.
            written: told of what is in the database now.
            refused: told why the database refuses us altogether; it is tried again.
        """
        self._writer, self._pause, self._written, self._refused = writer, pause, written, refused
        # Apart: one with a unique key, or for later, would take the others' short statement from them.
        self._plain: _Lane[Enqueue] = _Lane(self._enqueue, [])
        self._special: _Lane[Enqueue] = _Lane(self._enqueue, [])
        self._cancels: _Lane[CancelIds] = _Lane(self._cancel, [])
        self._wake = asyncio.Event()

    def add(self, message: Enqueue | CancelIds, answer: Answer) -> None:
        """Takes a child's frame; `answer` sends that child the Reply."""
        if isinstance(message, CancelIds):
            self._add(self._cancels, _Frame(message, answer, 0))
            return
        size = sum(len(each.args) + len(each.kwargs) for each in message.executions)
        plain = all(each.is_plain for each in message.executions)
        self._add(self._plain if plain else self._special, _Frame(message, answer, size))

    async def run(self) -> None:
        """Writes until it is cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._plain.waiting or self._special.waiting or self._cancels.waiting:
                await self._write_some(self._plain)
                await self._write_some(self._special)
                await self._write_some(self._cancels)

    def _add(self, lane: _Lane[M], frame: _Frame[M]) -> None:
        lane.waiting.append(frame)
        self._wake.set()

    async def _write_some(self, lane: _Lane[M]) -> None:
        frames = lane.take()
        if frames:
            await self._write(lane, frames)

    async def _write(self, lane: _Lane[M], frames: list[_Frame[M]]) -> None:
        """Writes the frames, and answers them; where they are refused they are split until the bad one stands alone."""
        try:
            replies = await self._insist(lane, frames)
        except StatementRefused as error:
            if len(frames) > 1:
                middle = len(frames) // 2
                await self._write(lane, frames[:middle])
                await self._write(lane, frames[middle:])
            elif isinstance(error, RowLocked):
                asyncio.get_running_loop().call_later(LOCKED_S, self._add, lane, frames[0])
            else:
                _answer(frames[0], Reply(frames[0].message.number, error=str(error)))
            return
        for frame, reply in zip(frames, replies, strict=True):
            _answer(frame, reply)

    async def _insist(self, lane: _Lane[M], frames: list[_Frame[M]]) -> list[Reply]:
        """Raises StatementRefused; nothing is written then, but what may have been when it was in doubt."""
        while True:
            try:
                return await lane.write(frames, any(frame.doubt for frame in frames))
            except StatementRefused:
                raise
            except UnicodeDecodeError as error:
                # User code wrote this frame itself; nothing was sent, and it is its own error alone.
                raise StatementRefused(f"its JSON is not UTF-8: {error}") from None
            except DatabaseError as error:
                if not isinstance(error, DatabaseUnreachable):
                    self._refused(str(error))
                for frame in frames:
                    frame.doubt = True
            await self._pause()

    async def _enqueue(self, frames: list[_Frame[Enqueue]], doubt: bool) -> list[Reply]:
        ids = [id for frame in frames for id in frame.message.ids]
        executions = [each for frame in frames for each in frame.message.executions]
        enqueued = await self._writer.enqueue(ids, executions, doubt=doubt)
        self._written(executions)
        if all(each.first for each in enqueued):
            return [Reply(frame.message.number) for frame in frames]
        holders = iter([None if each.first else each.id for each in enqueued])
        return [Reply(frame.message.number, held=[next(holders) for _ in frame.message.ids]) for frame in frames]

    async def _cancel(self, frames: list[_Frame[CancelIds]], doubt: bool) -> list[Reply]:
        ids = list(dict.fromkeys(id for frame in frames for id in frame.message.ids))
        done = await self._writer.cancel(ids, doubt=doubt)
        return [Reply(frame.message.number, cancelled=[id in done for id in frame.message.ids]) for frame in frames]


def _answer(frame: _Frame[M], reply: Reply) -> None:
    try:
        frame.answer(reply)
    except ProtocolError as error:
        # The ids of a raw row that holds a key may have any length, as may what the database says.
        frame.answer(Reply(reply.number, error=f"it is done, and the answer cannot be sent: {str(error)[:1000]}"))
