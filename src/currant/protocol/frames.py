"""Frames: a message's length in four bytes, then the message. Bytes in, messages out; no I/O."""

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

import msgspec

from currant.errors import ProtocolError

M = TypeVar("M")
T = TypeVar("T")

_HEADER_BYTES = 4
#: Batches are cut so that a frame holds about this much, or a single item that is larger.
BATCH_BYTES = 1 << 20

#: What msgspec raises for what it cannot decode. Text that is not UTF-8, and what is nested too deeply, get Python's.
UNDECODABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

_encoder = msgspec.msgpack.Encoder()


def frame_bytes_max(payload_bytes_max: int) -> int:
    """Returns the limit of a frame, for both sides: a full batch, or one item of the largest size.

    Arguments come back from jsonb up to twice as long as they were written, for the spaces in it.
    """
    return 2 * BATCH_BYTES + 2 * payload_bytes_max


def encode(message: msgspec.Struct, bytes_max: int) -> bytearray:
    """Returns the message as a frame. Raises ProtocolError when the peer would refuse it for its size."""
    frame = bytearray(_HEADER_BYTES)
    _encoder.encode_into(message, frame, _HEADER_BYTES)
    size = len(frame) - _HEADER_BYTES
    if size > bytes_max:
        raise ProtocolError(f"a {type(message).__name__} frame of {size} bytes is over the limit of {bytes_max}")
    frame[:_HEADER_BYTES] = size.to_bytes(_HEADER_BYTES, "big")
    return frame


def cut(items: Iterable[T], size_of: Callable[[T], int]) -> list[list[T]]:
    """Returns the items, in their order, in batches of at most BATCH_BYTES each, or of a single item that is larger."""
    batches: list[list[T]] = []
    size = BATCH_BYTES
    for item in items:
        own = size_of(item)
        if not batches or size + own > BATCH_BYTES:
            batches.append([])
            size = 0
        batches[-1].append(item)
        size += own
    return batches


class FrameReader(Generic[M]):
    """Cuts a stream of bytes into messages, and holds at most one incomplete frame."""

    def __init__(self, decoder: "msgspec.msgpack.Decoder[M]", bytes_max: int) -> None:
        self._decode = decoder.decode
        self._bytes_max = bytes_max
        self._buffer = bytearray()
        self._problem: str | None = None

    def feed(self, data: bytes | bytearray | memoryview) -> list[M]:
        """Returns the messages that are complete now.

        Raises:
            ProtocolError: a frame is longer than the limit, or holds no message that belongs here. Where the next frame
                would begin is not known then: every later call raises it too, and nothing is held any more.
        """
        if self._problem is not None:
            raise ProtocolError(self._problem)
        self._buffer += data
        messages: list[M] = []
        start, end = 0, len(self._buffer)
        view = memoryview(self._buffer)
        try:
            while end - start >= _HEADER_BYTES:
                size = int.from_bytes(view[start : start + _HEADER_BYTES], "big")
                if size > self._bytes_max:
                    self._problem = f"a frame of {size} bytes is over the limit of {self._bytes_max}"
                    break
                body = start + _HEADER_BYTES
                if end - body < size:
                    break
                messages.append(self._decode(view[body : body + size]))
                start = body + size
        except UNDECODABLE as error:
            self._problem = f"a frame holds no message that belongs here: {error}"
        finally:
            view.release()
        if self._problem is not None:
            self._buffer.clear()
            raise ProtocolError(self._problem)
        del self._buffer[:start]
        return messages
