"""Which Currant this is."""

import functools
from importlib import metadata


@functools.cache
def release() -> str:
    """Returns the version of the package, as PEP 440 writes it."""
    return metadata.version("currant")
