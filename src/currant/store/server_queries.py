"""What the bench asks the server about itself: a typed function for each statement."""

import contextlib
from collections.abc import Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any, NamedTuple

import psycopg

from currant.store.connections import Connection
from currant.store.statements import fetch, load


class ServerCounters(NamedTuple):
    """Since ever: bytes of write-ahead log of the whole server, and transactions of this database, everybody's but this
    connection's own."""

    wal_bytes: int
    transactions: int


class Identity(NamedTuple):
    """Which process serves the session, by the pid on the server's machine; for how long the server has run."""

    backend: int
    running_s: float


_FILES = resources.files("currant.store").joinpath("sql")
_COUNTERS = load("server_counters")
_TELL = load("server_tell")
_IDENTITY = load("server_identity")
_SETTINGS = load("server_settings")
_SIZES = load("server_sizes")
_STATEMENTS_PATH = load("server_statements_path")
_STATEMENTS = load("server_statements")


async def counters(connection: Connection) -> ServerCounters:
    """Reads the counters. Raises psycopg.Error where the server keeps none, such as a standby."""
    own = connection.usage.calls
    ((wal_bytes, transactions, _),) = await fetch(connection, _COUNTERS, {})
    return ServerCounters(wal_bytes, transactions - own)


async def tell(connection: Connection) -> None:
    """Has the server count at once what was sent over the connection so far. It can with PostgreSQL 15."""
    with contextlib.suppress(psycopg.errors.UndefinedFunction):
        await fetch(connection, _TELL, {})


async def identity(connection: Connection) -> Identity:
    """Returns who serves the session."""
    return Identity(*(await fetch(connection, _IDENTITY, {}))[0])


async def settings(connection: Connection, names: Sequence[str]) -> dict[str, str]:
    """Returns those of the settings that the server has, in this order."""
    return _by_name(await fetch(connection, _SETTINGS, {"names": list(names)}))


async def sizes(connection: Connection) -> dict[str, int]:
    """Returns the bytes of `executions` and of each of its indexes, by name."""
    return _by_name(await fetch(connection, _SIZES, {}))


async def find_statements(connection: Connection) -> bool:
    """Makes the connection ready for `statements`. Returns whether this database has pg_stat_statements."""
    return bool(await fetch(connection, _STATEMENTS_PATH, {}))


async def statements(connection: Connection) -> dict[str, int]:
    """Returns how often the server was sent each of our statements since ever, by the names of their files.

    Only for a connection of its own, of which `find_statements` was true.

    Raises:
        psycopg.Error: the server does not load the extension, or this account may not ask it.
    """
    names = {_first_line(file): file.name.removesuffix(".sql") for file in _FILES.iterdir()}
    return {names[line]: calls for line, calls in await fetch(connection, _STATEMENTS, {}) if line in names}


def _first_line(file: Traversable) -> str:
    """Returns it as it is sent, where a percent sign has lost its double."""
    return file.read_text().split("\n", 1)[0].replace("%%", "%")


def _by_name(rows: list[tuple[Any, ...]]) -> dict[str, Any]:
    return dict(rows)
