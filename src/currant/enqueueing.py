"""The enqueue as the public API calls it: through the backend, or in the transaction of the caller's connection."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from currant import backends
from currant.backends import Enqueued, NewExecution
from currant.handles import resolve

if TYPE_CHECKING:
    import psycopg

    Connection = psycopg.AsyncConnection[Any] | psycopg.Connection[Any]
else:
    Connection = Any


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
