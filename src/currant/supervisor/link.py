"""A socket to a child: frames out, messages in."""

import asyncio
from collections.abc import Callable
from typing import cast

from currant.errors import ProtocolError
from currant.protocol.frames import FrameReader, encode
from currant.protocol.work import FromChild, ToChild, from_child_decoder

#: A child that has not read so much of what it was sent is not read from, so that no more can be owed to it.
UNREAD_BYTES_MAX = 64 << 20


class Link(asyncio.Protocol):
    """The supervisor's end. `closed` gets the reason of a broken protocol, or None for an ordinary end."""

    def __init__(
        self, *, frame_bytes_max: int, received: Callable[[FromChild], None], closed: Callable[[str | None], None]
    ) -> None:
        """`received` may raise ProtocolError, for a message that is none of its sender's at that time."""
        self._bytes_max = frame_bytes_max
        self._reader: FrameReader[FromChild] = FrameReader(from_child_decoder, frame_bytes_max)
        self._received = received
        self._closed = closed
        self._problem: str | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # By its methods alone: uvloop's transports are no subclasses of asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=UNREAD_BYTES_MAX)

    def send(self, message: ToChild, bytes_max: int | None = None) -> None:
        """Sends, or does nothing when the child is gone: what it held is dealt with where its death is.

        Raises ProtocolError: nothing is sent, the frame would be larger than `bytes_max`, or than any may be.
        """
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(encode(message, self._bytes_max if bytes_max is None else bytes_max))

    @property
    def unread_bytes(self) -> int:
        """What has been sent and not been read by the child, beyond the system's own buffer."""
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def data_received(self, data: bytes) -> None:
        try:
            for message in self._reader.feed(data):
                self._received(message)
        except ProtocolError as error:
            # User code has written to this socket: the end of its child, and of nothing else.
            self._problem = self._problem or str(error)
            self.close()

    def pause_writing(self) -> None:
        """Of the loop: the child does not read. Each of its requests would add an answer to what waits for it."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._closed(self._problem)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()
