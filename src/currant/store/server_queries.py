"""What the bench asks the server about itself: a typed function for each statement."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from currant.store.connections import Connection
from currant.store.statements import fetch, load


class ServerCounters(NamedTuple):
    """Since ever: bytes of write-ahead log of the whole server, and transactions of this database, everybody's."""

    wal_bytes: int
    transactions: int


class Identity(NamedTuple):
    """Which process serves the session, by the pid on the server's machine; for how long the server has run."""

    backend: int
    running_s: float


_COUNTERS = load("server_counters")
_IDENTITY = load("server_identity")
_SETTINGS = load("server_settings")
_SIZES = load("server_sizes")


async def counters(connection: Connection) -> ServerCounters:
    """Reads the counters. Raises psycopg.Error where the server keeps none, such as a standby."""
    return ServerCounters(*(await fetch(connection, _COUNTERS, {}))[0])


async def identity(connection: Connection) -> Identity:
    """Returns who serves the session."""
    return Identity(*(await fetch(connection, _IDENTITY, {}))[0])


async def settings(connection: Connection, names: Sequence[str]) -> dict[str, str]:
    """Returns those of the settings that the server has, in this order."""
    return _by_name(await fetch(connection, _SETTINGS, {"names": list(names)}))


async def sizes(connection: Connection) -> dict[str, int]:
    """Returns the bytes of `executions` and of each of its indexes, by name."""
    return _by_name(await fetch(connection, _SIZES, {}))


def _by_name(rows: list[tuple[Any, ...]]) -> dict[str, Any]:
    return dict(rows)
