"""The schema: what version there is, and making it the one that this Currant knows."""

from importlib import resources
from typing import NamedTuple

import psycopg
from psycopg import sql

from currant.errors import DatabaseError, SchemaError
from currant.store import queries
from currant.store.connections import Connection, connect

#: The version that this Currant works with.
VERSION = 3

# Any fixed number that others are unlikely to take: "currant" in ASCII.
_LOCK = 0x63757272616E74


class Migrated(NamedTuple):
    """What `migrate` found and what it left; the same number twice when there was nothing to do."""

    before: int
    after: int


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


async def migrate(connection: Connection) -> Migrated:
    """Applies what is missing, in one transaction, under an advisory lock: run by many at once, one does the work.

    Raises:
        SchemaError: the schema is newer than this Currant.
        DatabaseError: the database refuses a step; nothing has changed.
    """
    try:
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            before = await queries.schema_version(connection)
            if before > VERSION:
                await check(connection)
            for version in range(before + 1, VERSION + 1):
                await connection.execute(_script(version))
                await connection.execute(sql.SQL("INSERT INTO schema_migrations (version) VALUES ({})").format(version))
    except psycopg.Error as error:
        raise DatabaseError(f"the migration was refused, and nothing has changed: {error}") from error
    return Migrated(before, max(before, VERSION))


async def migrate_at(url: str) -> Migrated:
    """Connects, migrates and disconnects. Raises what `connect` and `migrate` do."""
    connection = await connect(url, "currant")
    try:
        return await migrate(connection)
    finally:
        await connection.close()


def _script(version: int) -> bytes:
    return resources.files("currant.store").joinpath("migrations", f"{version:04}.sql").read_bytes()
