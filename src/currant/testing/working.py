"""Working off a database in the process of the test: a node's statements and a child's executor, without either."""

import asyncio
import itertools
from contextvars import copy_context

from currant.errors import CurrantError
from currant.executions import Ending, Execution, judge
from currant.identifiers import new_node_id
from currant.store import parking, queries, retention, testing_queries
from currant.store.connections import Connection
from currant.testing.book import AT_ONCE
from currant.testing.running import Ran, new_threads, observed, run_once

#: How many executions one call may run.
RUNS_MAX = 10_000
#: One that takes longer may wait for another: the next is begun beside it.
_ALONE_S = 0.02
_PIECE_ROWS = 1000
_LOOK_ROWS = 100
_BYTES_MAX = 64 << 20


class Work:
    """One pass over what is due."""

    def __init__(self, connection: Connection, payload_bytes_max: int) -> None:
        self._connection, self._payload_bytes_max = connection, payload_bytes_max
        self._node = new_node_id()
        self._threads = new_threads()
        self._context = copy_context()
        self._cancels: dict[int, Ending] = {}
        self._cells = itertools.count()
        #: Something came that is for the test: nothing more is begun, the retry of what brought it least of all.
        self._passed = False
        self._running: set[asyncio.Task[BaseException | None]] = set()
        #: What has run, in the order in which each ran first.
        self._ids: dict[str, None] = {}

    async def run(self) -> list[str]:
        """Runs what is due and what becomes due meanwhile, until nothing is; returns the ids of what has run.

        Raises:
            CurrantError: there is no end to it.
        """
        await queries.register(self._connection, node=self._node, queues=[], metadata={"test": True})
        try:
            with observed():
                while await self._start_next() or self._running:
                    await self._wait()
        finally:
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)
            await queries.deregister(self._connection, node=self._node, doubt=False)
        return list(self._ids)

    async def _start_next(self) -> bool:
        """Claims one execution and begins it; False when none is due."""
        queues = await testing_queries.waiting_queues(self._connection)
        await queries.promote(self._connection, queues=queues, rows=_PIECE_ROWS)
        if self._passed:
            return False
        claim = await queries.claim(
            self._connection,
            node=self._node,
            queues=queues,
            rows=1,
            look=_LOOK_ROWS,
            bytes_max=_BYTES_MAX,
            payload_bytes_max=self._payload_bytes_max,
        )
        for execution in claim.executions:
            execution.cell = next(self._cells)
            self._ids[execution.id] = None
            self._running.add(asyncio.get_running_loop().create_task(self._run(execution), name=execution.id))
            if execution.cell >= RUNS_MAX:
                raise CurrantError(
                    f"one call has run {RUNS_MAX} executions, and there are more: does a job enqueue itself, or snooze,"
                    " without an end?"
                )
        return bool(claim.executions)

    async def _wait(self) -> None:
        done, self._running = await asyncio.wait(self._running, timeout=_ALONE_S, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            passes = task.result()
            if passes is not None:
                raise passes

    async def _run(self, execution: Execution) -> BaseException | None:
        """Runs it and writes down what it came to; returns what is not for the execution but for the test.

        It is not raised here: KeyboardInterrupt out of a task ends the event loop, and with it whoever waits for that.
        """
        ran = await run_once(
            execution,
            payload_bytes_max=self._payload_bytes_max,
            cancels=self._cancels,
            threads=self._threads,
            context=self._context.copy(),
            tasks={},
        )
        passes = ran.interrupted or ran.passes
        self._passed |= passes is not None
        await self._write(execution, ran)
        return passes

    async def _write(self, execution: Execution, ran: Ran) -> None:
        if ran.ending is Ending.UNKNOWN:
            await parking.park(self._connection, [execution])
        elif ran.ending is not Ending.COMPLETED:
            verdict = judge(execution, ran.ending, ran.body, AT_ONCE, lambda: 0.0, ran.delay_s)
            await queries.settle(self._connection, [verdict])
        elif execution.discard:
            await retention.discard(self._connection, [execution], [ran.body or b"null"])
        else:
            await queries.complete(self._connection, [execution], [ran.body or b"null"])
