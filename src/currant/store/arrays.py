"""Arrays as binary parameters: for a batch, one header and one join instead of an object per item.

The format is array_send's (PostgreSQL, src/backend/utils/adt/arrayfuncs.c): dimensions, a flag for NULLs, the type of
the items, length and lower bound; then each item with its length, -1 for NULL.
"""

import struct
from collections.abc import Iterable, Sequence
from itertools import chain

from psycopg import pq
from psycopg.abc import Buffer
from psycopg.adapt import AdaptersMap, Dumper

_HEADER = struct.Struct(">iiIii")
_LENGTH = struct.Struct(">i")
_NULL = _LENGTH.pack(-1)
_JSONB_VERSION = b"\x01"

_TID, _INT8, _FLOAT8, _TEXT, _JSONB = 27, 20, 701, 25, 3802


class _Packed(bytes):
    """A parameter that is already in binary form."""


class TidArray(_Packed):
    pass


class Int8Array(_Packed):
    pass


class Float8Array(_Packed):
    pass


class TextArray(_Packed):
    pass


class JsonbArray(_Packed):
    pass


def tids(items: Sequence[bytes]) -> TidArray:
    return TidArray(_pack(_TID, items))


def texts(items: Iterable[str]) -> TextArray:
    return TextArray(_pack(_TEXT, [item.encode() for item in items]))


def optional_texts(items: Iterable[str | None]) -> TextArray:
    return TextArray(_pack_optional(_TEXT, [None if item is None else item.encode() for item in items]))


def jsonbs(items: Iterable[bytes]) -> JsonbArray:
    """Takes JSON as bytes; the server parses it."""
    return JsonbArray(_pack(_JSONB, [_JSONB_VERSION + item for item in items]))


def optional_jsonbs(items: Iterable[bytes | None]) -> JsonbArray:
    return JsonbArray(_pack_optional(_JSONB, [None if item is None else _JSONB_VERSION + item for item in items]))


def int8s(items: Sequence[int]) -> Int8Array:
    values = [8] * (2 * len(items))
    values[1::2] = items
    return Int8Array(_header(_INT8, len(items)) + struct.pack(">" + "iq" * len(items), *values))


def optional_float8s(items: Iterable[float | None]) -> Float8Array:
    return Float8Array(_pack_optional(_FLOAT8, [None if item is None else struct.pack(">d", item) for item in items]))


def register(adapters: AdaptersMap) -> None:
    """Makes the arrays known to the connections that use these adapters."""
    for kind, oid in ((TidArray, 1010), (Int8Array, 1016), (Float8Array, 1022), (TextArray, 1009), (JsonbArray, 3807)):
        adapters.register_dumper(kind, type(f"{kind.__name__}Dumper", (_PackedDumper,), {"oid": oid}))


class _PackedDumper(Dumper):
    format = pq.Format.BINARY

    def dump(self, obj: _Packed) -> Buffer:
        return obj


def _header(oid: int, count: int, *, nulls: bool = False) -> bytes:
    return _HEADER.pack(1 if count else 0, nulls, oid, count, 1)[: None if count else 12]


def _pack(oid: int, items: Sequence[bytes]) -> bytes:
    sizes = set(map(len, items))
    header = _header(oid, len(items))
    if len(sizes) == 1:
        length = _LENGTH.pack(sizes.pop())
        return header + length + length.join(items)
    return header + b"".join(chain.from_iterable(zip(map(_LENGTH.pack, map(len, items)), items, strict=True)))


def _pack_optional(oid: int, items: Sequence[bytes | None]) -> bytes:
    parts = [_NULL if item is None else _LENGTH.pack(len(item)) + item for item in items]
    return _header(oid, len(items), nulls=None in items) + b"".join(parts)
