"""The metrics as Prometheus reads them, made a piece at a time: between two pieces the loop does its other work."""

import asyncio
import functools
import zlib
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.samples import Sample
from prometheus_client.utils import floatToGoString

from currant.supervisor.metrics.families import Family

#: So many samples are made at a time: about a millisecond's work.
PIECE_SAMPLES = 250
#: What the format OpenMetrics ends with.
_EOF = b"# EOF\n"
#: Of zlib: quick, and a header and a trailer as gzip has them.
_GZIP_LEVEL, _GZIP_WBITS = 1, 31

Encoder = Callable[[Any], bytes]
_number: Callable[[float], str] = floatToGoString


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
            yield _head(encode, family)
            samples = iter(family.samples)
            while some := list(islice(samples, PIECE_SAMPLES)):
                yield "".join(map(_line, some)).encode()
        # What an empty registry is: OpenMetrics has an end.
        yield encode(_Families([]))


class _Families:
    """As the encoders read a registry."""

    def __init__(self, families: list[Family]) -> None:
        self._families = families

    def collect(self) -> list[Family]:
        return self._families


def _head(encode: Encoder, family: Family) -> bytes:
    """Returns what stands in front of the samples: that differs between the formats."""
    return encode(_Families([Family(family.name, family.documentation, family.type)])).removesuffix(_EOF)


def _line(sample: Sample) -> str:
    """Returns a sample as both formats have it: prometheus-client's encoders take ten times as long for it."""
    name, labels, number, *_ = sample
    # Also of True, as 1.
    value = str(int(number)) if isinstance(number, int) else _number(number)
    if not labels:
        return f"{name} {value}\n"
    pairs = ",".join([f'{label}="{_escaped(text)}"' for label, text in labels.items()])
    return f"{name}{{{pairs}}} {value}\n"


@functools.lru_cache(4096)
def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
