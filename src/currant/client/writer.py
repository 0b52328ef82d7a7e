"""The enqueues of one event loop: each at once while few are under way, else together in the next statement.

No timer gathers them: what arrives while as many statements as help are under way is what the next one takes.
"""

import asyncio
from collections import deque

import psycopg

from currant.backends import Enqueued, NewExecution
from currant.batching import BATCH_BYTES, BATCH_ROWS
from currant.client.insert import insert
from currant.client.pool import Pool
from currant.client.troubles import INSIST_S, translated
from currant.identifiers import new_ids
from currant.store.connections import Connection

#: How many statements of executions without a unique key are under way at a time. Of transactions that notify, Postgres
#: lets one at a time commit, with its flush: a further one would wait for that lock, where what it enqueues could go
#: with the next. More than two are for what the way to the server takes beside the commit.
_PLAIN_STATEMENTS_MAX = 3


class _Call:
    """One caller's execution, which waits for a connection."""

    __slots__ = ("alone", "done", "execution", "id", "tried", "until")

    def __init__(self, id: str, execution: NewExecution, *, alone: bool = False) -> None:
        loop = asyncio.get_running_loop()
        #: The same for each try: it tells what was inserted before a statement failed for another's sake.
        self.id = id
        self.execution = execution
        self.done: asyncio.Future[Enqueued] = loop.create_future()
        #: It shares a statement with its own key alone, having met a lock in one.
        self.alone = alone
        #: It was in a statement before that failed, and may have been inserted.
        self.tried = alone
        #: How long it is tried again when it meets one.
        self.until = loop.time() + INSIST_S


class _Lane:
    """Calls that may share a statement; at most `statements` are under way."""

    __slots__ = ("gathering", "statements", "under_way", "waiting")

    def __init__(self, statements: int) -> None:
        self.statements, self.under_way = statements, 0
        self.waiting: deque[_Call] = deque()
        #: Whether a statement waits for its connection: what comes meanwhile goes with it.
        self.gathering = False


class Writer:
    """Writes single executions over a pool of `size` connections."""

    def __init__(self, url: str, pool: Pool, size: int) -> None:
        self._url, self._pool = url, pool
        self._plain = _Lane(min(size, _PLAIN_STATEMENTS_MAX))
        # One with a unique key waits for other transactions with the same key: such must not take all connections, nor
        # share a statement with one that has none.
        self._keyed = _Lane(max(1, size - 1))
        self._tasks: set[asyncio.Task[None]] = set()

    async def write(self, execution: NewExecution) -> Enqueued:
        """Writes one execution. When this is cancelled, it may be written or not; others' are not harmed.

        Raises:
            DatabaseError: it is not written, unless the text says that this is unknown.
        """
        lane = self._plain if execution.unique_key is None else self._keyed
        if not lane.waiting and lane.under_way < lane.statements and self._pool.has_room:
            lane.under_way += 1
            ids = new_ids(1)
            try:
                return (await insert(self._pool, self._url, ids, [execution], waits=False))[0]
            except psycopg.errors.LockNotAvailable:
                call = _Call(ids[0], execution, alone=True)
            except psycopg.Error as error:
                raise translated(error, self._url) from error
            finally:
                lane.under_way -= 1
                if lane.waiting:
                    self._gather(lane)
        else:
            call = _Call(new_ids(1)[0], execution)
        lane.waiting.append(call)
        self._gather(lane)
        return await call.done

    def _gather(self, lane: _Lane) -> None:
        """Has what waits in the lane written, as soon as there is a connection."""
        while lane.waiting and lane.waiting[0].done.done():
            lane.waiting.popleft()  # its caller was cancelled
        if lane.waiting and not lane.gathering and lane.under_way < lane.statements:
            lane.gathering = True
            lane.under_way += 1
            task = asyncio.get_running_loop().create_task(self._write_waiting(lane), name="currant: enqueue")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _write_waiting(self, lane: _Lane) -> None:
        calls: list[_Call] = []
        try:
            try:
                connection = await self._pool.take()
            finally:
                # Also after a failure, which is that of all who waited for this connection.
                lane.gathering = False
                calls = _cut(lane.waiting)
            self._gather(lane)
            if calls:
                await self._write(lane, calls, connection)
            else:
                await self._pool.give(connection)
        except Exception as error:
            _fail(calls, translated(error, self._url))
        finally:
            lane.under_way -= 1
            for call in calls:
                if not call.alone:
                    call.done.cancel()
            self._gather(lane)

    async def _write(self, lane: _Lane, calls: list[_Call], connection: Connection | None = None) -> None:
        """Writes the calls in one statement; one that is refused is cut in two, until the refused row is alone.

        Args:
            connection: one that was taken from the pool, and is given back.
        """
        ids = [call.id for call in calls]
        executions = [call.execution for call in calls]
        doubt = any(call.tried for call in calls)
        for call in calls:
            call.tried = True
        try:
            done = await insert(self._pool, self._url, ids, executions, connection=connection, waits=False, doubt=doubt)
        except psycopg.errors.LockNotAvailable as error:
            # Later and apart, so that what waits for a lock does not hold up the others.
            now = asyncio.get_running_loop().time()
            _fail([call for call in calls if call.until < now], translated(error, self._url))
            for call in calls:
                call.alone = True
            lane.waiting += [call for call in calls if call.until >= now]
        except psycopg.Error as error:
            half = len(calls) // 2
            if not half:
                _fail(calls, translated(error, self._url))
                return
            await self._write(lane, calls[:half])
            await self._write(lane, calls[half:])
        else:
            for call, enqueued in zip(calls, done, strict=True):
                if not call.done.done():
                    call.done.set_result(enqueued)


def _cut(waiting: deque[_Call]) -> list[_Call]:
    """Takes from the front what goes into one statement, without those whose callers have gone."""
    calls: list[_Call] = []
    size = 0
    while waiting and len(calls) < BATCH_ROWS and size < BATCH_BYTES:
        call = waiting[0]
        if calls and call.alone and not (calls[0].alone and _key(call) == _key(calls[0])):
            break
        if calls and calls[0].alone and not call.alone:
            break
        waiting.popleft()
        if not call.done.done():
            calls.append(call)
            size += len(call.execution.args) + len(call.execution.kwargs)
    return calls


def _key(call: _Call) -> tuple[str, str | None]:
    return call.execution.function, call.execution.unique_key


def _fail(calls: list[_Call], error: Exception) -> None:
    for call in calls:
        if not call.done.done():
            call.done.set_exception(error)
