"""The control socket: `currantctl` asks, the supervisor's loop answers. Bounded in size, time and number."""

import asyncio
import os
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from currant.errors import CurrantError, ProtocolError
from currant.protocol.calls import CALL_BYTES_MAX, Call, Refused, call_decoder, encode_answer, read_call
from currant.protocol.commands import Request
from currant.protocol.frames import FrameReader
from currant.release import release

EXCHANGE_S = 10.0
CLIENTS_MAX = 16

#: Answers requests of one type. It may raise CurrantError: why it does not, which the asker is told.
Handler = Callable[[Any], Awaitable[msgspec.Struct]]


class ControlServer:
    """Serves one request per connection, to processes of the same user and of root."""

    def __init__(self, path: Path, handlers: Mapping[type[Request], Handler]) -> None:
        """`handlers`: one for each type of request."""
        self._path, self._handlers = path, handlers
        self._server: asyncio.Server | None = None
        self._clients = 0

    async def start(self) -> None:
        """Binds the socket; a stale one is removed, which the lock on the directory makes safe."""
        self._path.unlink(missing_ok=True)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        mask = os.umask(0o177)
        try:
            listening.bind(str(self._path))
        finally:
            os.umask(mask)
        self._server = await asyncio.start_unix_server(self._serve, sock=listening, limit=CALL_BYTES_MAX)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients += 1
        # So that `drain` returns when all is sent: what would be left goes on only as fast as the client reads.
        writer.transport.set_write_buffer_limits(high=0)
        try:
            if self._clients <= CLIENTS_MAX and _is_trusted(writer.get_extra_info("socket")):
                async with asyncio.timeout(EXCHANGE_S):
                    call = await _call(reader)
                if call is not None:
                    frame = _encoded(await self._answer(read_call(call, release())))
                    async with asyncio.timeout(EXCHANGE_S):
                        writer.write(frame)
                        await writer.drain()
        except (TimeoutError, OSError, ProtocolError):
            # Its own fault; nothing else notices. Not `close`, which would keep what it does not read, for ever.
            writer.transport.abort()
        finally:
            self._clients -= 1
            writer.close()

    async def _answer(self, request: "Request | Refused") -> msgspec.Struct:
        if isinstance(request, Refused):
            return request
        try:
            async with asyncio.timeout(request.answer_s):
                return await self._handlers[type(request)](request)
        except TimeoutError:
            return Refused(f"it has no answer after {request.answer_s:g} s: what was asked may be done later")
        except CurrantError as error:
            return Refused(" ".join(str(error).split()))


async def _call(reader: asyncio.StreamReader) -> Call | None:
    """Returns what the client sends, or None when it goes without a question. Raises ProtocolError."""
    frames: FrameReader[Call] = FrameReader(call_decoder, CALL_BYTES_MAX)
    while data := await reader.read(CALL_BYTES_MAX):
        for call in frames.feed(data):
            return call
    return None


def _encoded(reply: msgspec.Struct) -> bytearray:
    try:
        return encode_answer(reply, release())
    except ProtocolError as error:
        return encode_answer(Refused(f"the answer is too large: {error}"), release())


def _is_trusted(connection: socket.socket) -> bool:
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, uid, _ = struct.unpack("3i", credentials)
    return uid in (0, os.geteuid())
