"""The control socket: `currantctl` asks, the supervisor's loop answers. Both ends, bounded in size, time and number."""

import asyncio
import os
import socket
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path

from currant.errors import CurrantError, ProtocolError
from currant.protocol.frames import FrameReader, encode
from currant.protocol.status import (
    CONTROL_REPLY_BYTES_MAX,
    CONTROL_REQUEST_BYTES_MAX,
    StatusReply,
    StatusRequest,
    reply_decoder,
    request_decoder,
)

EXCHANGE_S = 10.0
CLIENTS_MAX = 16


class ControlServer:
    """Serves one request per connection, to processes of the same user and of root."""

    def __init__(self, path: Path, *, status: Callable[[StatusRequest], Awaitable[StatusReply]]) -> None:
        self._path = path
        self._status = status
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
        self._server = await asyncio.start_unix_server(self._serve, sock=listening, limit=CONTROL_REQUEST_BYTES_MAX)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients += 1
        try:
            if self._clients <= CLIENTS_MAX and _is_trusted(writer.get_extra_info("socket")):
                async with asyncio.timeout(EXCHANGE_S):
                    await self._answer(reader, writer)
        except (TimeoutError, OSError, ProtocolError):
            # Its own fault; nothing else notices. Not `close`, which would keep what it does not read, for ever.
            writer.transport.abort()
        finally:
            self._clients -= 1
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        frames: FrameReader[StatusRequest] = FrameReader(request_decoder, CONTROL_REQUEST_BYTES_MAX)
        while True:
            data = await reader.read(CONTROL_REQUEST_BYTES_MAX)
            if not data:
                return
            if requests := frames.feed(data):
                break
        writer.write(encode(await self._status(requests[0]), CONTROL_REPLY_BYTES_MAX))
        await writer.drain()


def _is_trusted(connection: socket.socket) -> bool:
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, uid, _ = struct.unpack("3i", credentials)
    return uid in (0, os.geteuid())


def ask(path: Path, *, waiting: bool = True) -> StatusReply:
    """Returns the answer of the supervisor behind the socket, which looks into the database only for what waits there.

    Raises:
        CurrantError: there is none.
    """
    frames: FrameReader[StatusReply] = FrameReader(reply_decoder, CONTROL_REPLY_BYTES_MAX)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(EXCHANGE_S)
        try:
            connection.connect(str(path))
            connection.sendall(encode(StatusRequest(waiting), CONTROL_REQUEST_BYTES_MAX))
            while data := connection.recv(1 << 16):
                for reply in frames.feed(data):
                    return reply
        except PermissionError:
            raise CurrantError(f"{path.parent} belongs to another user: ask as that user, or as root") from None
        except (FileNotFoundError, ConnectionRefusedError):
            raise CurrantError(
                f"no currantd runs in {path.parent}: start it, or name its directory with --runtime-dir"
            ) from None
        except (OSError, ProtocolError) as error:
            raise CurrantError(f"the currantd in {path.parent} does not answer as it should: {error}") from None
    raise CurrantError(f"the currantd in {path.parent} refused to answer: ask as the user that it runs as, or as root")
