"""A proxy before an embedded server that cuts a connection at a chosen statement: before it, or before its reply."""

import asyncio
import tempfile
from pathlib import Path
from types import TracebackType

import pytest
from psycopg import conninfo

SOCKET = ".s.PGSQL.5432"
#: The end of a reply, outside of a transaction.
_READY = b"Z\0\0\0\x05I"


class Cutter:
    """An async context; runs in the test's own event loop."""

    def __init__(self, url: str) -> None:
        host = str(conninfo.conninfo_to_dict(url)["host"])
        if not host.startswith("/"):
            pytest.skip("the proxy stands before a Unix socket, such as an embedded server's")
        self._server_socket = f"{host}/{SOCKET}"
        self._folder = tempfile.TemporaryDirectory(prefix="currant-cutter-")
        self.url = conninfo.make_conninfo(url, host=self._folder.name)
        self._statement: bytes | None = None
        self._executed = False
        self.cuts = 0

    def cut(self, statement: bytes, *, executed: bool) -> None:
        """The next statement with these bytes is the last of its connection; `executed`: the server gets it."""
        self._statement, self._executed = statement, executed

    async def __aenter__(self) -> "Cutter":
        path = Path(self._folder.name) / SOCKET
        self._server = await asyncio.start_unix_server(self._serve, path)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        self._folder.cleanup()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_unix_connection(self._server_socket)
        replies = asyncio.ensure_future(_copy(server_reader, writer))
        while data := await reader.read(1 << 20):
            if self._statement is not None and self._statement in data:
                self._statement = None
                self.cuts += 1
                replies.cancel()
                if self._executed:
                    server_writer.write(data)
                    reply = b""
                    while not reply.endswith(_READY):
                        reply += await server_reader.read(1 << 20)
                break
            server_writer.write(data)
        replies.cancel()
        server_writer.close()
        writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 20):
        writer.write(data)
