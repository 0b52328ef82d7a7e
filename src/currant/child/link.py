"""The child's end of its socket: bytes to messages and back."""

import asyncio
import sys
import traceback
from collections.abc import Callable
from typing import cast

from currant.errors import ProtocolError
from currant.protocol import frames
from currant.protocol.work import FromChild, ToChild, to_child_decoder

#: The exit code of a child, or a fork server, that the other side sent nonsense (EX_SOFTWARE of sysexits.h).
EXIT_PROTOCOL = 70
#: The exit code of a child whose start hook failed (EX_UNAVAILABLE).
EXIT_HOOK_FAILED = 69

_WRITE_BUFFER_BYTES = 64 << 20


class Link(asyncio.Protocol):
    """Hands the supervisor's messages on, and calls `stop` with the exit code when the connection has ended."""

    def __init__(self, payload_bytes_max: int, receive: Callable[[ToChild], None], stop: Callable[[int], None]) -> None:
        self._frame_bytes_max = frames.frame_bytes_max(payload_bytes_max)
        self._reader = frames.FrameReader(to_child_decoder, self._frame_bytes_max)
        self._receive = receive
        self._stop = stop
        self._transport: asyncio.WriteTransport | None = None

    def send(self, message: FromChild) -> None:
        """Sends the message when the loop gets to it; drops it when the supervisor is gone."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(frames.encode(message, self._frame_bytes_max))

    def close(self) -> None:
        """Closes the connection when all is sent; `stop` is called then."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not derive from asyncio's.
        self._transport = cast(asyncio.WriteTransport, transport)
        # Nobody here waits for room: what is running ends, and what has ended must be told.
        self._transport.set_write_buffer_limits(high=_WRITE_BUFFER_BYTES)

    def data_received(self, data: bytes) -> None:
        try:
            for message in self._reader.feed(data):
                self._receive(message)
        except ProtocolError as error:
            print(f"currant: a child ends, its supervisor sent nonsense: {error}", file=sys.stderr)  # noqa: T201
            self._stop(EXIT_PROTOCOL)

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is None or isinstance(exc, OSError):
            self._stop(0)
        else:
            traceback.print_exception(exc)
            self._stop(EXIT_PROTOCOL)
