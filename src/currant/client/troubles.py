"""What the driver's errors mean for an application."""

import psycopg

from currant.errors import CurrantError, DatabaseError, DatabaseUnreachable, RowLocked, SchemaError, StatementRefused
from currant.store import connections
from currant.store.connections import Connection

#: How long an enqueue is repeated for a reason that may pass: a lost connection, another's lock.
INSIST_S = 10.0


def is_lost(connection: Connection, error: psycopg.Error) -> bool:
    """Whether the error means the connection's end; the statement's effect is unknown then."""
    return connection.closed or isinstance(error, psycopg.InterfaceError)


def may_pass(error: psycopg.Error) -> bool:
    """Whether the same statement, which was rolled back, may succeed at once or soon."""
    return isinstance(
        error,
        psycopg.errors.LockNotAvailable | psycopg.errors.DeadlockDetected | psycopg.errors.SerializationFailure,
    )


def unreachable(url: str, reason: str) -> DatabaseUnreachable:
    """Returns the error of a connection that was lost and does not come back."""
    return DatabaseUnreachable(f"{connections.describe(url)}: {reason}")


def schema_error(error: psycopg.Error, place: str) -> SchemaError | None:
    """Returns the error that says what to run, when the tables are missing or old."""
    if isinstance(error, psycopg.errors.UndefinedTable | psycopg.errors.InvalidSchemaName):
        return SchemaError(f"{place} has no schema of Currant's yet: run `currant migrate`")
    if isinstance(error, psycopg.errors.UndefinedColumn | psycopg.errors.UndefinedFunction):
        return SchemaError(f"the schema of {place} is older than this Currant: run `currant migrate`")
    return None


def translated(error: Exception, url: str) -> Exception:
    """Returns the error as the API raises it."""
    if isinstance(error, CurrantError) or not isinstance(error, psycopg.Error):
        return error
    place = connections.describe(url)
    schema = schema_error(error, place)
    if schema is not None:
        return schema
    text = f"{place}: {connections.one_line(error)}"
    if isinstance(error, psycopg.errors.LockNotAvailable):
        return RowLocked(
            f"{text}: another transaction has held what this one needs for {INSIST_S:g} s: one that is still open has"
            " enqueued the same unique key, or the schema is being changed"
        )
    if isinstance(error, psycopg.DataError | psycopg.IntegrityError | psycopg.ProgrammingError):
        return StatementRefused(text)
    return DatabaseError(text)
