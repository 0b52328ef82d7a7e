"""What an enqueue writes: the border between the public API and the backends that store it. Pure."""

from collections.abc import Sequence
from typing import Protocol

import msgspec


class NewExecution(msgspec.Struct, array_like=True, gc=False):
    """An execution about to be inserted; `args`, `kwargs` and `options` are JSON, `timeout_s` whole seconds."""

    function: str
    queue: str
    priority: int
    args: bytes
    kwargs: bytes
    options: bytes
    max_retries: int
    timeout_s: int | None


class Backend(Protocol):
    """Where enqueued executions go: the database, or, inside a job, the child's socket."""

    async def enqueue(self, ids: Sequence[str], executions: Sequence[NewExecution]) -> None:
        """Stores all of them, or raises DatabaseError and stores none."""
        ...
