"""`python -m currant.bench.feeding`: enqueues in a process of its own, so that the measuring does not slow it down.

What it is to do it reads from its standard input, and what it did it writes to its standard output, in frames. It ends
when its input does.
"""

import asyncio
import gc
import os
import selectors
from array import array

import msgspec

from currant.bench.enqueuer import Enqueuer
from currant.bench.supply import Supply
from currant.errors import CurrantError
from currant.protocol.frames import FrameReader, encode
from currant.records import StatementUse

FRAME_BYTES_MAX = 8 << 20
#: Of ids, in a frame.
PAGE_ROWS = 10_000
_PROGRESS_S = 0.1


class Order(msgspec.Struct, tag="order"):
    """To the process, first: for what."""

    url: str
    supply: Supply
    offset_s: float


class Go(msgspec.Struct, tag="go"):
    """To the process, after `Ready`. `until_s` by `time.monotonic`; without `backlog` at the supply's rate."""

    until_s: float
    backlog: int | None


class Completed(msgspec.Struct, tag="completed"):
    """To the process: how many executions have ended."""

    count: int


class Ready(msgspec.Struct, tag="ready"):
    """From the process: its connections are open."""


class State(msgspec.Struct, tag="state"):
    """From the process, ten times a second and at the end: see Enqueuer."""

    begun: int
    enqueued: int
    errors: int
    late: int
    error: str | None
    first_s: float
    last_s: float
    first_due_s: float
    last_due_s: float
    statements: dict[str, StatementUse]


class Page(msgspec.Struct, tag="page"):
    """From the process, at the end: ids, and the intended moments, in Unix time of the database's clock, as doubles."""

    ids: list[str]
    intended_s: bytes


class Done(msgspec.Struct, tag="done"):
    """From the process, last. `error`: why there is no result."""

    error: str | None = None


ToFeeding = Order | Go | Completed
FromFeeding = Ready | State | Page | Done


class _Process:
    """One order, from its frames to its end."""

    def __init__(self) -> None:
        self._orders: asyncio.Queue[ToFeeding] = asyncio.Queue()
        self._enqueuer: Enqueuer | None = None

    async def run(self) -> None:
        reading = asyncio.create_task(self._read(), name="orders")
        try:
            await self._carry_out()
        except CurrantError as error:
            self._send(Done(str(error)))
        else:
            self._send(Done())
        reading.cancel()

    async def _carry_out(self) -> None:
        order = await self._orders.get()
        assert isinstance(order, Order)
        async with Enqueuer(order.url, order.supply, offset_s=order.offset_s) as enqueuer:
            self._enqueuer = enqueuer
            self._send(Ready())
            go = await self._orders.get()
            assert isinstance(go, Go)
            await self._enqueue(enqueuer, go)
        for begin in range(0, len(enqueuer.ids), PAGE_ROWS):
            end = begin + PAGE_ROWS
            self._send(Page(enqueuer.ids[begin:end], enqueuer.intended_s[begin:end].tobytes()))

    async def _enqueue(self, enqueuer: Enqueuer, go: Go) -> None:
        telling = asyncio.create_task(self._tell(enqueuer), name="progress")
        try:
            if go.backlog is None:
                await enqueuer.paced(go.until_s)
            else:
                await enqueuer.saturate(go.until_s, go.backlog)
        finally:
            telling.cancel()
            self._send(_state(enqueuer))

    async def _tell(self, enqueuer: Enqueuer) -> None:
        while True:
            self._send(_state(enqueuer))
            await asyncio.sleep(_PROGRESS_S)

    async def _read(self) -> None:
        reader = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(0, "rb"))
        frames = FrameReader(msgspec.msgpack.Decoder(ToFeeding), FRAME_BYTES_MAX)
        while data := await reader.read(1 << 16):
            for message in frames.feed(data):
                if isinstance(message, Completed):
                    if self._enqueuer is not None:
                        self._enqueuer.note_completed(message.count)
                else:
                    self._orders.put_nowait(message)
        # Whoever wanted it has gone.
        os._exit(1)

    def _send(self, message: FromFeeding) -> None:
        """Writes at once, and waits for the reader: it reads all the time."""
        frame = memoryview(encode(message, FRAME_BYTES_MAX))
        while frame:
            frame = frame[os.write(1, frame) :]


def _state(enqueuer: Enqueuer) -> State:
    return State(**{name: getattr(enqueuer, name) for name in State.__struct_fields__})


def moments_of(page: Page) -> "array[float]":
    """Returns the intended moments of a page."""
    return array("d", page.intended_s)


def _precise_loop() -> asyncio.AbstractEventLoop:
    """Returns a loop that wakes within a tenth of a millisecond: others wait whole ones, which latencies would show."""
    return asyncio.SelectorEventLoop(selectors.SelectSelector())


if __name__ == "__main__":
    # What is imported need not be looked through again and again, which takes milliseconds.
    gc.collect()
    gc.freeze()
    with asyncio.Runner(loop_factory=_precise_loop) as runner:
        runner.run(_Process().run())
