"""The metrics as Prometheus reads them, made a piece at a time: between two pieces the loop does its other work."""

import asyncio
import zlib
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from currant.supervisor.metrics.families import Family

#: So many samples are made at a time: about a millisecond's work.
PIECE_SAMPLES = 150
#: What the format OpenMetrics ends with.
_EOF = b"# EOF\n"
#: Of zlib: quick, and a header and a trailer as gzip has them.
_GZIP_LEVEL, _GZIP_WBITS = 1, 31

Encoder = Callable[[Any], bytes]


class Exposition:
    """What is in a registry, as text."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        #: One at a time: several askers are not to take more of the loop than one does.
        self._turn = asyncio.Lock()

    async def render(self, accept: str, *, gzipped: bool) -> tuple[str, bytes]:
        """Returns the content type, chosen by the header Accept, and the text, gzipped if that is asked for."""
        encode, content_type = choose_encoder(accept)
        packer = zlib.compressobj(_GZIP_LEVEL, wbits=_GZIP_WBITS) if gzipped else None
        body = bytearray()
        async with self._turn:
            for piece in self._pieces(encode):
                body += piece if packer is None else packer.compress(piece)
                await asyncio.sleep(0)
        if packer is not None:
            body += packer.flush()
        return content_type, bytes(body)

    def _pieces(self, encode: Encoder) -> Iterator[bytes]:
        for family in self._registry.collect():
            samples = iter(family.samples)
            head = _encoded(encode, family, [])
            yield head
            while some := list(islice(samples, PIECE_SAMPLES)):
                yield _encoded(encode, family, some).removeprefix(head)
        # Of one format only: what an empty registry is in it.
        yield encode(_Families([]))


class _Families:
    """As the encoders read a registry."""

    def __init__(self, families: list[Family]) -> None:
        self._families = families

    def collect(self) -> list[Family]:
        return self._families


def _encoded(encode: Encoder, family: Family, samples: list[Any]) -> bytes:
    part = Family(family.name, family.documentation, family.type)
    part.samples = samples
    return encode(_Families([part])).removesuffix(_EOF)
