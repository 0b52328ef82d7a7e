"""Enqueues, cancels and waits from inside a child: over its socket, by the hand of the supervisor."""

import asyncio
import itertools
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from typing import Any, Protocol, TypeVar

from currant.backends import Ended, Enqueued, NewExecution
from currant.child.courier import ROWS_MAX, Courier
from currant.child.slots import Lender
from currant.child.watches import Watches
from currant.errors import ConfigurationError, CurrantError, DatabaseUnreachable
from currant.identifiers import new_ids
from currant.names import ID_BYTES_MAX, stored_size
from currant.payload import check_size
from currant.protocol.frames import BATCH_BYTES
from currant.protocol.work import CancelIds, Enqueue, FromChild, Reply, Results

#: So many frames of one call may be under way, so that a generator of any length is not read all at once.
_UNDER_WAY_MAX = 4
#: What a row takes in a frame besides its texts: its id, numbers, headers.
_ROW_BYTES = 150

T = TypeVar("T")


class Lending(Protocol):
    """Whose slot is lent while it waits: see Runner."""

    def lend(self) -> Lender | None: ...
    async def take_back(self, lender: Lender) -> None: ...
    def break_off(self, lender: Lender) -> None: ...


class SocketBackend:
    """The backend of a whole child: of its executions, their threads, and threads that the user's code starts."""

    def __init__(
        self,
        send: Callable[[FromChild], None],
        lending: Lending,
        *,
        payload_bytes_max: int,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        """Called by the thread that runs the loop."""
        self._lending, self._payload_bytes_max, self._loop = lending, payload_bytes_max, loop
        self._thread = threading.get_ident()
        self._closed: DatabaseUnreachable | None = None
        numbers = itertools.count(1)

        def enqueue_frame(rows: list[NewExecution]) -> tuple[FromChild, int, list[str]]:
            number, ids = next(numbers), new_ids(len(rows))
            return Enqueue(number, ids, rows), number, ids

        def cancel_frame(ids: list[str]) -> tuple[FromChild, int, list[str]]:
            number = next(numbers)
            return CancelIds(number, ids), number, ids

        self._enqueues: Courier[NewExecution, Enqueued] = Courier(send, loop, frame=enqueue_frame, answers=_enqueued)
        self._cancels: Courier[str, bool] = Courier(
            send, loop, frame=cancel_frame, answers=lambda _, reply: reply.cancelled
        )
        self._watches = Watches(send, loop)

    async def enqueue(self, executions: Iterable[NewExecution]) -> list[Enqueued]:
        """Stores executions; returns when they are committed. Calls that run at once are stored together.

        Up to 1,000 of them, and about 1 MiB, are stored all or none. Of more, those before a failure stay: a child has
        no transaction that spans frames. A list or a tuple is checked as a whole before any of it is stored. A call
        that is cancelled may have stored its executions or not.

        Raises:
            PayloadTooLarge: arguments are over the limit.
            DatabaseError: the database refuses them.
            DatabaseUnreachable: the supervisor has ended.
        """
        if not self._is_here():
            return await self._hop(self.enqueue(list(executions)))
        if isinstance(executions, list | tuple):
            for execution in executions:
                _check(execution, self._payload_bytes_max)
        enqueued: list[Enqueued] = []
        under_way: deque[asyncio.Future[list[Enqueued]]] = deque()
        try:
            for rows, size in _cut(executions, self._payload_bytes_max):
                self._check_open()
                under_way.append(self._enqueues.ask(rows, size))
                if len(under_way) == _UNDER_WAY_MAX:
                    enqueued += await under_way[0]
                    under_way.popleft()
            while under_way:
                enqueued += await under_way[0]
                under_way.popleft()
        finally:
            for future in under_way:
                # Of one that has failed, the error is looked at here: the first is raised, and no other is told.
                if not future.cancel() and not future.cancelled():
                    future.exception()
        return enqueued

    async def ended(self, id: str) -> Ended:
        """Waits until the execution has ended. The execution that the calling code belongs to lends its slot meanwhile.

        Raises:
            CurrantError: this child waits for too many executions.
            PayloadTooLarge: the result is larger than what this child can be sent.
            DatabaseUnreachable: the supervisor has ended.
        """
        if not self._is_here():
            return await self._hop(self.ended(id))
        self._check_open()
        if not _can_exist(id):
            return Ended(id, None, None)
        future = self._watches.add(id)
        lender = self._lending.lend()
        try:
            ended = await future
        except BaseException:
            if lender is not None:
                self._lending.break_off(lender)
            raise
        finally:
            self._watches.remove(id, future)
        if lender is not None:
            await self._lending.take_back(lender)
        return ended

    async def cancel(self, ids: Sequence[str]) -> list[bool]:
        """Cancels executions; False for each that had ended before, or does not exist.

        Raises:
            DatabaseError: the database refuses.
            DatabaseUnreachable: the supervisor has ended.
        """
        if not self._is_here():
            return await self._hop(self.cancel(list(ids)))
        possible = [id for id in ids if _can_exist(id)]
        cancelled: dict[str, bool] = {}
        for start in range(0, len(possible), ROWS_MAX):
            self._check_open()
            some = possible[start : start + ROWS_MAX]
            answers = await self._cancels.ask(some, sum(4 * len(id) + 10 for id in some))
            cancelled.update(zip(some, answers, strict=True))
        return [cancelled.get(id, False) for id in ids]

    def run_sync(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs a coroutine that uses this backend for a thread of the child, and waits for it.

        It belongs to the execution that the calling code belongs to, if that has its context variables.

        Raises:
            CurrantError: called by the thread of the child's event loop, which cannot wait for itself.
            DatabaseUnreachable: the supervisor has ended.
        """
        try:
            self._check_open()
            if threading.get_ident() == self._thread:
                raise CurrantError(
                    "this would block the event loop that all jobs of the process share: in an `async def`, await the"
                    " method without _sync, as in `await job.queue()` for `job.queue_sync()`; elsewhere, call it in a"
                    " thread, as in `await asyncio.to_thread(...)`"
                )
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
        except BaseException:
            work.close()
            raise
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def receive(self, message: Reply | Results) -> None:
        """Takes a message of the supervisor's."""
        if isinstance(message, Results):
            self._watches.take(message)
        elif not self._enqueues.take(message):
            self._cancels.take(message)

    def refuse(self) -> None:
        """Has whatever is asked from now on fail: this process is a copy of the child, made by a fork."""
        self._closed = DatabaseUnreachable(
            "this process was forked from one that runs jobs, and has no connection of its own: enqueue, cancel and"
            " wait in the job itself"
        )

    def close(self) -> None:
        """Fails everything that waits, and what is asked from now on: the supervisor is gone."""
        self._closed = DatabaseUnreachable(
            "the supervisor of this process has ended: what was asked of it may have been done or not"
        )
        for part in (self._enqueues, self._cancels, self._watches):
            part.close(self._closed)

    def _is_here(self) -> bool:
        return threading.get_ident() == self._thread

    async def _hop(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs the coroutine on the child's loop, for code on a loop of the user's own, in another thread."""
        try:
            self._check_open()
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
        except BaseException:
            work.close()
            raise
        return await asyncio.wrap_future(future)

    def _check_open(self) -> None:
        if self._closed is not None:
            raise DatabaseUnreachable(str(self._closed))


def _enqueued(ids: list[str], reply: Reply) -> list[Enqueued]:
    if not reply.held:
        return [Enqueued(id, True) for id in ids]
    return [
        Enqueued(id, True) if holder is None else Enqueued(holder, False)
        for id, holder in zip(ids, reply.held, strict=True)
    ]


def _can_exist(id: str) -> bool:
    """Whether an execution may have this id."""
    if not isinstance(id, str):
        raise ConfigurationError(f"an execution's id is a string, got {id!r}")
    return 1 <= stored_size(id) <= ID_BYTES_MAX


def _check(execution: NewExecution, payload_bytes_max: int) -> int:
    """Returns about how much of a frame it takes. Raises PayloadTooLarge."""
    size = len(execution.args) + len(execution.kwargs)
    if size > payload_bytes_max:
        check_size(size, payload_bytes_max, f"{execution.function}: args and kwargs")
    texts = len(execution.function) + len(execution.queue) + len(execution.unique_key or "")
    return size + len(execution.options) + 4 * texts + _ROW_BYTES


def _cut(executions: Iterable[NewExecution], payload_bytes_max: int) -> Iterator[tuple[list[NewExecution], int]]:
    """Cuts any number of executions into what fits into frames, each with its size."""
    batch: list[NewExecution] = []
    size = 0
    for execution in executions:
        own = _check(execution, payload_bytes_max)
        if batch and (len(batch) >= ROWS_MAX or size + own > BATCH_BYTES):
            yield batch, size
            batch, size = [], 0
        batch.append(execution)
        size += own
    if batch:
        yield batch, size
