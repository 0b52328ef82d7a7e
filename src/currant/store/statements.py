"""The statements in `sql/`, and running one: prepared, with results in binary form."""

from importlib import resources
from typing import Any

from currant.store.connections import Connection


def load(name: str) -> bytes:
    """Returns the text of `sql/<name>.sql` without indentation and comments, but for the first line.

    psycopg remembers how it has read a statement, for those of at most 4,096 bytes; a longer one is parsed each time.
    """
    text = resources.files("currant.store").joinpath("sql", f"{name}.sql").read_bytes()
    first, *rest = text.splitlines(keepends=True)
    return first + b"".join(bare for line in rest if not (bare := line.lstrip()).startswith(b"--"))


async def fetch(connection: Connection, statement: bytes, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Runs the statement and returns its rows, none when it has no result."""
    cursor = connection.cursor(binary=True)
    await cursor.execute(statement, parameters, prepare=True)
    return await cursor.fetchall() if cursor.description else []


async def execute(connection: Connection, statement: bytes, parameters: dict[str, Any]) -> int:
    """Runs the statement and returns how many rows it wrote."""
    cursor = connection.cursor(binary=True)
    await cursor.execute(statement, parameters, prepare=True)
    return cursor.rowcount
