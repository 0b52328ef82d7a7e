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
    ControlReply,
    ControlRequest,
    ReloadReply,
    ReloadRequest,
    StatusReply,
    StatusRequest,
    reply_decoder,
    request_decoder,
)

EXCHANGE_S = 10.0
CLIENTS_MAX = 16


class ControlServer:
    """Serves one request per connection, to processes of the same user and of root."""

    def __init__(
        self,
        path: Path,
        *,
        status: Callable[[StatusRequest], Awaitable[StatusReply]],
        reload: Callable[[], Awaitable[ReloadReply]],
    ) -> None:
        """
        Args:
            status, reload: answer the requests.
        """
        self._path = path
        self._status, self._reload = status, reload
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
        # So that `drain` returns when all is sent: what would be left goes on only as fast as the client reads.
        writer.transport.set_write_buffer_limits(high=0)
        try:
            if self._clients <= CLIENTS_MAX and _is_trusted(writer.get_extra_info("socket")):
                async with asyncio.timeout(EXCHANGE_S):
                    request = await _request(reader)
                if request is not None:
                    reply = await self._answer(request)
                    async with asyncio.timeout(EXCHANGE_S):
                        writer.write(encode(reply, CONTROL_REPLY_BYTES_MAX))
                        await writer.drain()
        except (TimeoutError, OSError, ProtocolError):
            # Its own fault; nothing else notices. Not `close`, which would keep what it does not read, for ever.
            writer.transport.abort()
        finally:
            self._clients -= 1
            writer.close()

    async def _answer(self, request: ControlRequest) -> ControlReply:
        if isinstance(request, ReloadRequest):
            # It takes as long as the user's modules and hooks take, each bounded by the boot timeout.
            return await self._reload()
        async with asyncio.timeout(EXCHANGE_S):
            return await self._status(request)


async def _request(reader: asyncio.StreamReader) -> ControlRequest | None:
    """Returns what the client asks, or None when it goes without a question. Raises ProtocolError."""
    frames: FrameReader[ControlRequest] = FrameReader(request_decoder, CONTROL_REQUEST_BYTES_MAX)
    while data := await reader.read(CONTROL_REQUEST_BYTES_MAX):
        for request in frames.feed(data):
            return request
    return None


def _is_trusted(connection: socket.socket) -> bool:
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, uid, _ = struct.unpack("3i", credentials)
    return uid in (0, os.geteuid())


def ask(path: Path, *, waiting: bool = True) -> StatusReply:
    """Returns how the supervisor behind the socket is; it looks into the database only for what waits there.

    Raises:
        CurrantError: there is none.
    """
    reply = _exchange(path, StatusRequest(waiting), EXCHANGE_S)
    assert isinstance(reply, StatusReply)
    return reply


def ask_reload(path: Path) -> ReloadReply:
    """Has the supervisor behind the socket reload, waits for that, however long it takes, and returns the outcome.

    Raises:
        CurrantError: there is none, or it ended meanwhile.
    """
    reply = _exchange(path, ReloadRequest(), None)
    assert isinstance(reply, ReloadReply)
    return reply


def _exchange(path: Path, request: ControlRequest, timeout_s: float | None) -> ControlReply:
    frames: FrameReader[ControlReply] = FrameReader(reply_decoder, CONTROL_REPLY_BYTES_MAX)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout_s)
        try:
            connection.connect(str(path))
            connection.sendall(encode(request, CONTROL_REQUEST_BYTES_MAX))
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
