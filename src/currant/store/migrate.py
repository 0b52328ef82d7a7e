"""The schema: what version there is, and making it the one that this Currant knows."""

from collections.abc import Callable
from typing import NamedTuple

import psycopg

from currant.errors import DatabaseError, SchemaError
from currant.store import queries, upgrade_queries
from currant.store.connections import Connection, connect
from currant.store.steps import LOCK, record, steps
from currant.store.upgrade_queries import Size

#: The version that this Currant works with.
VERSION = 4


class Migrated(NamedTuple):
    """What `migrate` found and what it left; the same number twice when there was nothing to do."""

    before: int
    after: int


def _nobody(version: int, size: Size) -> None:
    """Who is told of a rewrite when nobody asked."""


async def check(connection: Connection) -> None:
    """Raises SchemaError unless the database's schema is of the version that this Currant works with."""
    version = await queries.schema_version(connection)
    if version == 0:
        raise SchemaError("the database has no schema of Currant's yet: run `currant migrate`")
    if version < VERSION:
        raise SchemaError(
            f"the database's schema is of version {version}, and this Currant works with {VERSION}:"
            " run `currant migrate`"
        )
    if version > VERSION:
        raise SchemaError(
            f"the database's schema is of version {version}, which this Currant ({VERSION}) does not know:"
            " upgrade Currant"
        )


async def found(connection: Connection) -> int:
    """Returns the schema's version, 0 without one. Raises SchemaError when it is newer than this Currant."""
    version = await queries.schema_version(connection)
    if version > VERSION:
        await check(connection)
    return version


async def migrate(connection: Connection, *, rewriting: Callable[[int, Size], None] = _nobody) -> Migrated:
    """Applies what is missing, in one transaction, under an advisory lock: run by many at once, one does the work.

    Args:
        rewriting: told of a version that is about to rewrite the executions that there are, and how large they are.

    Raises:
        SchemaError: the schema is newer than this Currant.
        DatabaseError: the database refuses a step; nothing has changed.
    """
    try:
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
            before = await found(connection)
            for step in steps(before, VERSION):
                if step.rewrites and before > 0:
                    rewriting(step.version, await upgrade_queries.size(connection))
                await connection.execute(step.text.encode())
                await connection.execute(record(step.version).encode())
    except psycopg.Error as error:
        raise DatabaseError(f"the migration was refused, and nothing has changed: {error}") from error
    return Migrated(before, max(before, VERSION))


async def found_at(url: str) -> int:
    """Connects and returns what `found` does."""
    connection = await connect(url, "currant")
    try:
        return await found(connection)
    finally:
        await connection.close()


async def migrate_at(url: str, *, rewriting: Callable[[int, Size], None] = _nobody) -> Migrated:
    """Connects, migrates and disconnects. Raises what `connect` and `migrate` do."""
    connection = await connect(url, "currant")
    try:
        return await migrate(connection, rewriting=rewriting)
    finally:
        await connection.close()
