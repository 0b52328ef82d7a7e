"""A proxy between a node and an embedded server: delays replies, cuts connections at a chosen moment, drops bytes."""

import asyncio
import random
import tempfile
import threading
from pathlib import Path
from types import TracebackType

from psycopg import conninfo

SOCKET = ".s.PGSQL.5432"
#: The end of a reply outside of a transaction: what it tells of is committed.
_COMMITTED = b"Z\0\0\0\x05I"
#: In the reply to a claim that claimed something: the module of its function.
_CLAIMED = b"jobs."


class Proxy:
    """Runs in a thread. Only the claim connection is tampered with, and one that is named to `cut_next`; `drop_all` is
    for all of them."""

    def __init__(self, url: str) -> None:
        host = conninfo.conninfo_to_dict(url)["host"]
        self._folder = tempfile.TemporaryDirectory(prefix="currant-proxy-")
        self._server = f"{host}/{SOCKET}"
        self.url = conninfo.make_conninfo(url, host=self._folder.name)
        #: Between which seconds replies are delayed.
        self.delay_s = (0.0, 0.0)
        self._cut_next = threading.Event()
        self._marker: tuple[bytes, bytes] | None = None
        self.cuts = 0
        self._deaf: set[asyncio.Event] = set()
        self._unreachable = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))

    def __enter__(self) -> "Proxy":
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()
        self._loop.close()
        self._folder.cleanup()

    def cut_next_claim(self) -> None:
        """The next claim that claims something is committed, and its connection ends before a byte of the reply."""
        self._cut_next.set()

    def cut_next(self, connection: bytes, marker: bytes) -> None:
        """The next statement on connections of this name that holds the marker is carried out, and its connection ends
        before a byte of the reply."""
        self._marker = (connection, marker)

    def drop_all(self, *, unreachable: bool = False) -> None:
        """Nothing passes any more, in either direction, on any connection that there is, and none of them ends.

        `unreachable`: nor on new ones, until `reach`.
        """
        if unreachable:
            self.refuse_new()
        self._loop.call_soon_threadsafe(self._deafen)

    def refuse_new(self) -> None:
        """Nothing passes on new connections, until `reach`; the others stay as they are."""
        self._unreachable.set()

    def reach(self) -> None:
        """New connections pass again; the others stay as they are."""
        self._unreachable.clear()

    def _deafen(self) -> None:
        for deaf in self._deaf:
            deaf.set()

    async def _serve(self) -> None:
        self._end = asyncio.Event()
        self._connections: set[asyncio.Task[None]] = set()
        server = await asyncio.start_unix_server(self._accepted, Path(self._folder.name) / SOCKET)
        self._ready.set()
        await self._end.wait()
        server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._connection(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        deaf = asyncio.Event()
        if self._unreachable.is_set():
            deaf.set()
        self._deaf.add(deaf)
        try:
            await self._pass(deaf, reader, writer)
        finally:
            self._deaf.discard(deaf)
            writer.close()

    async def _pass(self, deaf: asyncio.Event, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if deaf.is_set():
            await self._end.wait()
        first = await reader.read(1 << 16)
        server_reader, server_writer = await asyncio.open_unix_connection(self._server)
        server_writer.write(first)
        if b"currantd:claim" in first:
            requests, replies = _copy(reader, server_writer), self._replies(server_reader, writer)
        else:
            cut = asyncio.Event()
            requests = self._marked(first, cut, reader, server_writer)
            replies = self._until(cut, server_reader, writer)
        ways = [asyncio.ensure_future(requests), asyncio.ensure_future(replies)]
        deafened = asyncio.ensure_future(deaf.wait())
        try:
            await asyncio.wait((*ways, deafened), return_when=asyncio.FIRST_COMPLETED)
            if deaf.is_set():
                # What is on its way is gone; the ends hear nothing of it.
                for way in ways:
                    way.cancel()
                await self._end.wait()
        finally:
            deafened.cancel()
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            server_writer.close()

    async def _replies(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Passes each reply on when it is whole; a client waits for that anyway."""
        reply = b""
        while data := await reader.read(1 << 16):
            reply += data
            if reply.endswith(_COMMITTED):
                if self._cut_next.is_set() and _CLAIMED in reply:
                    self._cut_next.clear()
                    self.cuts += 1
                    return
                await asyncio.sleep(random.uniform(*self.delay_s))
            elif self._starting(reply):
                pass
            else:
                continue
            writer.write(reply)
            await writer.drain()
            reply = b""

    async def _marked(
        self, first: bytes, cut: asyncio.Event, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while data := await reader.read(1 << 16):
            if self._marker is not None and self._marker[0] in first and self._marker[1] in data:
                self._marker = None
                cut.set()
            writer.write(data)
            await writer.drain()

    async def _until(self, cut: asyncio.Event, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Passes replies on, but not the one to the statement that `cut` marks: then it ends."""
        reply = b""
        while data := await reader.read(1 << 16):
            if not cut.is_set():
                writer.write(data)
                await writer.drain()
                continue
            reply += data
            if reply.endswith(_COMMITTED):
                self.cuts += 1
                return

    @staticmethod
    def _starting(reply: bytes) -> bool:
        """Whether it asks for a password, or refuses: the end of a message, but not of a transaction."""
        return reply[:1] in (b"R", b"E") and not reply.endswith(_COMMITTED)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()
