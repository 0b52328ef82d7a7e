"""The job that the bench runs: nothing. The module needs the registry alone, as little as a user's could."""

from dataclasses import dataclass

from currant.registry import Definition, registry

QUEUE = "currant-bench"


@dataclass(frozen=True, kw_only=True)
class JobSpec:
    """What each job does."""

    kind: str = "noop"

    @property
    def text(self) -> str:
        """The kind with its parameters, as in `sleep 50 ms`."""
        return self.kind


async def noop() -> None:
    """Does nothing, at once."""


NOOP = Definition(name="currant.bench.noop", function=noop, queue=QUEUE, retries=3, timeout_s=None, priority=5)
registry.add(NOOP)
