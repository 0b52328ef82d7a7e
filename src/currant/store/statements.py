"""The statements in `sql/`, and running one: prepared, with results in binary form, and counted by its name."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from typing import Any

from psycopg import pq

from currant.records import StatementUse
from currant.store.connections import Connection
from currant.store.exchange import Form, exchange, rows_of
from currant.store.usage import BEGIN, COMMIT, ROLLBACK

Rows = list[tuple[Any, ...]]


@dataclass(frozen=True)
class Statement:
    """A statement by the name of its file. Its parameters are named as psycopg has it."""

    name: str
    text: bytes

    @cached_property
    def form(self) -> Form:
        """How it is sent over our own connections."""
        return Form(self.text)


def load(name: str) -> Statement:
    """Returns the statement in `sql/<name>.sql` without indentation and comments, but for the first line."""
    text = resources.files("currant.store").joinpath("sql", f"{name}.sql").read_bytes()
    first, *rest = text.splitlines(keepends=True)
    return Statement(name, first + b"".join(bare for line in rest if not (bare := line.lstrip()).startswith(b"--")))


async def fetch(
    connection: Connection, statement: Statement, parameters: dict[str, Any], *, count: Callable[[Rows], int] = len
) -> Rows:
    """Runs the statement and returns its rows, none when it has no result.

    Args:
        count: how many rows it counts for, where those that it returns are not those that it is for.
    """
    result, use = await _run(connection, statement, parameters)
    rows = rows_of(connection, result)
    use.rows += count(rows)
    return rows


async def fetch_later(
    connection: Connection, statement: Statement, parameters: dict[str, Any]
) -> tuple[int, Callable[[], Rows]]:
    """Runs the statement and returns how many rows it has, and what reads them: the connection is free before that."""
    result, use = await _run(connection, statement, parameters)
    use.rows += result.ntuples
    return result.ntuples, lambda: rows_of(connection, result)


async def execute(connection: Connection, statement: Statement, parameters: dict[str, Any]) -> int:
    """Runs the statement and returns how many rows it wrote, or has."""
    result, use = await _run(connection, statement, parameters)
    count = result.command_tuples or 0
    use.rows += count
    return count


def first_number(rows: Rows) -> int:
    """For the `count` of a statement that returns one row, which begins with how many it wrote."""
    return int(rows[0][0])


@asynccontextmanager
async def transaction(connection: Connection) -> AsyncIterator[None]:
    """A context in which everything is one transaction."""
    block = connection.transaction()
    with connection.counted(BEGIN):
        await block.__aenter__()
    try:
        yield
    except BaseException as error:
        with connection.counted(ROLLBACK):
            await block.__aexit__(type(error), error, error.__traceback__)
        raise
    with connection.counted(COMMIT):
        await block.__aexit__(None, None, None)


async def _run(
    connection: Connection, statement: Statement, parameters: dict[str, Any]
) -> tuple[pq.abc.PGresult, StatementUse]:
    use = connection.usage[statement.name]
    sent_s = time.monotonic()
    try:
        result = await exchange(connection, statement.form, parameters)
    finally:
        use.calls += 1
        use.seconds += time.monotonic() - sent_s
    return result, use
