"""The job that the bench runs: nothing. The module needs the registry alone, as little as a user's could."""

from currant.registry import Definition, registry

QUEUE = "currant-bench"


async def noop() -> None:
    """Does nothing, at once."""


NOOP = Definition(name="currant.bench.noop", function=noop, queue=QUEUE, retries=3, timeout_s=None, priority=5)
registry.add(NOOP)
