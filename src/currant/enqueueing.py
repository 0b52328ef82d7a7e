"""The enqueue as the public API calls it: through the backend, or in the transaction of the caller's connection."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from currant import backends
from currant.backends import Enqueued, NewExecution
from currant.handles import resolve

if TYPE_CHECKING:
    import psycopg

    Connection = psycopg.AsyncConnection[Any] | psycopg.Connection[Any]
else:
    Connection = Any

#: A statement's worth of executions.
BATCH_ROWS = 1000
BATCH_BYTES = 4 << 20


async def enqueue(executions: Iterable[NewExecution], connection: Connection | None = None) -> list[Enqueued]:
    """Stores the executions, all or none. Raises what the backend's `enqueue` does."""
    if connection is None:
        return await resolve().enqueue(executions)
    instead = backends.within()
    if instead is not None:
        return await instead.enqueue(executions)
    # Here and not above: a child imports the user's modules, and with them this one, but no database's driver.
    from currant import client

    return await client.enqueue_within(connection, executions)


def enqueue_sync(executions: Iterable[NewExecution], connection: Connection | None = None) -> list[Enqueued]:
    """Does as `enqueue` for code without an event loop."""
    if connection is None:
        backend = resolve()
        return backend.run_sync(backend.enqueue(executions))
    instead = backends.within()
    if instead is not None:
        return instead.run_sync(instead.enqueue(executions))
    from currant import client

    return client.enqueue_within_sync(connection, executions)


def batches(executions: Iterable[NewExecution]) -> Iterator[list[NewExecution]]:
    """Cuts any number of executions into lists, each of at least one and of bounded size."""
    batch: list[NewExecution] = []
    size = 0
    for execution in executions:
        batch.append(execution)
        size += len(execution.args) + len(execution.kwargs)
        if len(batch) >= BATCH_ROWS or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
