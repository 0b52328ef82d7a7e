"""All enqueueing of a measured stretch: before it, at a rate while it runs, or as fast as possible."""

import asyncio
import contextlib
import math
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import islice

import msgspec

from currant import settings
from currant.batching import BATCH_ROWS
from currant.bench.feeding import (
    FRAME_BYTES_MAX,
    Completed,
    Done,
    FromFeeding,
    Go,
    Order,
    Page,
    Ready,
    State,
    ToFeeding,
    moments_of,
)
from currant.bench.plan import BenchFailed, Plan
from currant.bench.supply import Supply, supply_of
from currant.identifiers import new_ids
from currant.protocol.frames import FrameReader, encode
from currant.records import StatementUse
from currant.store.connections import connect
from currant.store.enqueue import enqueue
from currant.store.statements import transaction

#: How far a saturating feed is ahead of what has ended, at the most.
BACKLOG = 20_000
_STOP_S = 10.0


class Feed:
    """Enqueues what a plan says, once; a context, or ended by `close`.

    What it counts is of `paced` and `saturate`, whose enqueues are made by a process of their own.
    """

    def __init__(self, url: str, plan: Plan, *, offset_s: float = 0.0) -> None:
        """
        Args:
            offset_s: by how much the database's clock is ahead of this machine's.
        """
        self._url, self._plan, self._offset_s = url, plan, offset_s
        self._process: asyncio.subprocess.Process | None = None
        self._frames = FrameReader[FromFeeding](msgspec.msgpack.Decoder(FromFeeding), FRAME_BYTES_MAX)
        self._messages: list[FromFeeding] = []
        self._state = State(0, 0, 0, 0, None, 0.0, 0.0, 0.0, 0.0, {})
        self._supply: Supply | None = None
        #: Whether there is no more to come.
        self.done = False
        #: Of a paced run, when it has ended: the intended moments by id, in Unix time of the database's clock.
        self.intended: dict[str, float] = {}

    @property
    def enqueued(self) -> int:
        """How many executions are enqueued by now."""
        return self._state.enqueued

    @property
    def total(self) -> int | None:
        """How many executions it has enqueued in all; None while there may be more."""
        return self.enqueued if self.done else None

    @property
    def begun(self) -> int:
        """How many enqueues have begun by now, of one execution each."""
        return self._state.begun

    @property
    def errors(self) -> int:
        """How many executions could not be enqueued."""
        return self._state.errors

    @property
    def error(self) -> str | None:
        """Why the last of those could not."""
        return self._state.error

    @property
    def late(self) -> float:
        """The share of the enqueues that began later than 10 ms after their intended moment.

        The generator was the limit where it is large: it, or all its enqueuers, had still to do with those before.
        """
        return self._state.late / self._state.begun if self._state.begun else 0.0

    @property
    def per_s(self) -> float | None:
        """The rate of the enqueues, from the first's beginning to the last's; None of fewer than two."""
        return _rate(self._state.begun, self._state.last_s - self._state.first_s)

    @property
    def intended_per_s(self) -> float | None:
        """The rate that was intended: of Poisson arrivals that of the plan only on average."""
        return _rate(self._state.begun, self._state.last_due_s - self._state.first_due_s)

    @property
    def enqueuers(self) -> int | None:
        """How many enqueues are under way at a time, at the most; None before there are any."""
        return self._supply.enqueuers if self._supply else None

    @property
    def statements(self) -> dict[str, StatementUse]:
        """What was sent to the database by now, by name; what opened the connections is in it."""
        return self._state.statements

    @property
    def pids(self) -> tuple[int, ...]:
        """The process that enqueues, while there is one."""
        return (self._process.pid,) if self._process and self._process.returncode is None else ()

    @contextlib.asynccontextmanager
    async def prefilled(
        self, show: Callable[[int], None], rows: int | None = None
    ) -> AsyncIterator[Callable[[], Awaitable[None]]]:
        """Enqueues in bulk, on one connection, in one transaction; gives what commits it, and does not by itself.

        Args:
            show: gets how many are enqueued.
            rows: how many; by default all the plan's jobs.

        Raises:
            DatabaseError, psycopg.Error: they could not be enqueued.
        """
        rows = self._plan.jobs if rows is None else rows
        assert rows is not None
        executions = supply_of(self._plan, paced=False).executions()
        connection = await connect(self._url, "currant:bench-prefill")
        try:
            async with contextlib.AsyncExitStack() as stack:
                await stack.enter_async_context(transaction(connection))
                for begin in range(0, rows, BATCH_ROWS):
                    batch = list(islice(executions, min(BATCH_ROWS, rows - begin)))
                    await enqueue(connection, new_ids(len(batch)), batch)
                    show(begin + len(batch))
                yield stack.aclose
        finally:
            await connection.close()

    async def ready(self, *, paced: bool) -> None:
        """Starts the process and its connections: `paced` or `saturate` then begin at once.

        Raises:
            BenchFailed: it ended.
        """
        self._supply = supply_of(self._plan, paced=paced)
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "currant.bench.feeding"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=settings.child_environment(),
            start_new_session=True,  # Ctrl-C is for the bench, which then ends this
        )
        await self._send(Order(self._url, self._supply, self._offset_s))
        message = await self._receive()
        if not isinstance(message, Ready):
            raise _failed(message)

    async def paced(self, until_s: float = math.inf) -> None:
        """Enqueues each execution at its intended moment, until all are enqueued, or the time is over.

        Args:
            until_s: by `time.monotonic`; what is meant for later is left out.

        Raises:
            BenchFailed: the process ended, or its enqueues failed one after another.
        """
        await self._run(until_s, None)

    async def saturate(self, until_s: float = math.inf, *, backlog: int = BACKLOG) -> None:
        """Enqueues as fast as it goes, until all are enqueued, or the time is over.

        Args:
            backlog: how far ahead of what `note_completed` was told, at the most.

        Raises:
            BenchFailed: the process ended, or its enqueues failed one after another.
        """
        await self._run(until_s, backlog)

    def note_completed(self, count: int) -> None:
        """Takes how many executions have ended so far, completed or failed: the more often, the evener the feed."""
        if self._process is not None and self._process.stdin is not None and not self._process.stdin.is_closing():
            self._process.stdin.write(encode(Completed(count), FRAME_BYTES_MAX))

    async def close(self) -> None:
        """Ends the process."""
        if self._process is None:
            return
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            async with asyncio.timeout(_STOP_S):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    async def __aenter__(self) -> "Feed":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _run(self, until_s: float, backlog: int | None) -> None:
        if self._process is None:
            await self.ready(paced=backlog is None)
        await self._send(Go(until_s, backlog))
        while True:
            message = await self._receive()
            if isinstance(message, State):
                self._state = message
            elif isinstance(message, Page):
                self.intended.update(zip(message.ids, moments_of(message), strict=True))
            elif message == Done():
                self.done = True
                return
            else:
                raise _failed(message)

    async def _send(self, message: ToFeeding) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(encode(message, FRAME_BYTES_MAX))

    async def _receive(self) -> FromFeeding:
        assert self._process is not None
        assert self._process.stdout is not None
        while not self._messages:
            data = await self._process.stdout.read(1 << 16)
            if not data:
                raise BenchFailed(f"the process that enqueues ended, with status {await self._process.wait()}")
            self._messages = self._frames.feed(data)
        return self._messages.pop(0)


def _failed(message: FromFeeding) -> BenchFailed:
    text = message.error if isinstance(message, Done) else f"an unexpected {type(message).__name__}"
    return BenchFailed(f"the process that enqueues: {text}")


def _rate(count: int, seconds: float) -> float | None:
    return (count - 1) / seconds if count > 1 and seconds > 0 else None
