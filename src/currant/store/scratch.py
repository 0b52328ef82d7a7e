"""A place for the tests, the bench and the demo: a throwaway server, or a schema of their own on the user's."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import psycopg
from psycopg import conninfo, sql

from currant.errors import DatabaseError, DatabaseUnreachable
from currant.store.connections import check_url, describe, one_line
from currant.store.embedded import start_throwaway


class Scratch(NamedTuple):
    """`url` leads to an empty schema; `line` says to people what it is."""

    url: str
    line: str


@contextmanager
def scratch_database(url: str | None, purpose: str) -> Iterator[Scratch]:
    """Gives an empty schema, and removes it at the end.

    Args:
        url: the user's database; None for a throwaway server, which goes when this process ends, however it does.
        purpose: part of the schema's name, e.g. `bench`.

    Raises:
        EmbeddedError: the throwaway server cannot be started.
        DatabaseUnreachable, ConfigurationError: the user's database does not answer, or its address is none.
        DatabaseError: it does not let us make a schema.
    """
    if url is None:
        with start_throwaway() as server:
            yield Scratch(server.url, "this runs on a throwaway Postgres of its own, which goes at the end")
        return
    schema = f"currant_{purpose}_{secrets.token_hex(4)}"
    try:
        with psycopg.connect(check_url(url), autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
    except psycopg.OperationalError as error:
        raise DatabaseUnreachable(f"{describe(url)}: {one_line(error)}") from None
    except psycopg.Error as error:
        raise DatabaseError(f"{describe(url)}: a schema of our own is refused: {one_line(error)}") from None
    try:
        yield Scratch(within(url, schema), f"this runs in a schema of its own, {schema}, of {describe(url)}")
    finally:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(schema)))


def within(url: str, schema: str) -> str:
    """Returns the address with a search path of this schema alone; other options in it are kept."""
    options = conninfo.conninfo_to_dict(url).get("options") or ""
    return conninfo.make_conninfo(url, options=f"{options} -c search_path={schema}".strip())
