"""The enqueue in the caller's own transaction: it is durable, and the nodes are woken, when that commits."""

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

from currant.backends import Enqueued, NewExecution
from currant.batching import batches, check_sizes
from currant.client.troubles import schema_error
from currant.configuration import configured
from currant.errors import ConfigurationError
from currant.identifiers import new_ids
from currant.store import enqueue as store

_HELP = (
    " Pass a psycopg 3 connection, SQLAlchemy's `await session.connection()` (or `session.connection()`) over its"
    " `postgresql+psycopg` dialect, or Django's `django.db.connection`"
)
#: How others name what they wrap: SQLAlchemy's AsyncConnection, its pool's and adapters; Django's, SQLAlchemy's own.
_INNER = ("sync_connection", "driver_connection", "connection")


async def enqueue_within(connection: object, executions: Iterable[NewExecution]) -> list[Enqueued]:
    """Inserts executions in the transaction of a psycopg AsyncConnection, or of what wraps one.

    In autocommit mode, outside of a transaction, they get one of their own.

    Raises:
        ConfigurationError: the connection is of another kind.
        PayloadTooLarge: arguments are over the limit.
        SchemaError: the connection leads to no schema of Currant's.
        psycopg.Error: as the caller's own statement would.
    """
    own = _unwrapped(connection)
    if not isinstance(own, psycopg.AsyncConnection):
        if isinstance(own, psycopg.Connection):
            raise ConfigurationError(
                "the connection is a synchronous one: use `.queue_sync()` or `enqueue_many_sync()`, or pass an"
                " AsyncConnection"
            )
        raise _wrong(connection)
    _check(own)
    enqueued: list[Enqueued] = []
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(_schema_told(own))
        if _needs_transaction(own):
            await stack.enter_async_context(own.transaction())
        for batch in batches(check_sizes(executions, configured().payload_bytes_max)):
            enqueued += await store.enqueue_within(own, new_ids(len(batch)), batch)
    return enqueued


def enqueue_within_sync(connection: object, executions: Iterable[NewExecution]) -> list[Enqueued]:
    """Does as `enqueue_within` with a psycopg Connection, or what wraps one."""
    own = _unwrapped(connection)
    if not isinstance(own, psycopg.Connection):
        if isinstance(own, psycopg.AsyncConnection):
            raise ConfigurationError(
                "the connection is an asynchronous one: use `await …queue()` or `enqueue_many()`, or pass a Connection"
            )
        raise _wrong(connection)
    _check(own)
    enqueued: list[Enqueued] = []
    with _schema_told(own), own.transaction() if _needs_transaction(own) else contextlib.nullcontext():
        for batch in batches(check_sizes(executions, configured().payload_bytes_max)):
            enqueued += store.enqueue_within_sync(own, new_ids(len(batch)), batch)
    return enqueued


def _unwrapped(connection: object) -> object:
    """Returns the driver's connection within the objects of the usual frameworks, none of which is imported here."""
    ensure = getattr(connection, "ensure_connection", None)  # Django connects when it is first asked
    if callable(ensure):
        ensure()
    for _ in range(5):
        if isinstance(connection, psycopg.AsyncConnection | psycopg.Connection):
            return connection
        inner = (getattr(connection, name, None) for name in _INNER)
        connection = next((each for each in inner if each is not None and not callable(each)), None)
    return None


def _wrong(connection: object) -> ConfigurationError:
    kind = type(connection)
    return ConfigurationError(
        f"the connection is of type {kind.__module__}.{kind.__qualname__}, and not psycopg 3's, nor does it wrap one."
        + _HELP
    )


def _check(connection: psycopg.AsyncConnection[Any] | psycopg.Connection[Any]) -> None:
    if connection.info.encoding not in ("utf-8", "ascii"):
        raise ConfigurationError(
            f"the connection's client_encoding is {connection.info.encoding}: executions are written in UTF-8;"
            " set client_encoding=utf8"
        )


def _needs_transaction(connection: psycopg.AsyncConnection[Any] | psycopg.Connection[Any]) -> bool:
    return connection.autocommit and connection.pgconn.transaction_status == TransactionStatus.IDLE


@contextlib.contextmanager
def _schema_told(connection: psycopg.AsyncConnection[Any] | psycopg.Connection[Any]) -> Iterator[None]:
    try:
        yield
    except psycopg.errors.ProgrammingError as error:
        schema = schema_error(error, f"the database {connection.info.dbname} that the connection leads to")
        if schema is None:
            raise
        raise schema from error
