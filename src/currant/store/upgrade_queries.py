"""What is asked of a database before its schema is migrated; nothing here changes it."""

from collections.abc import Sequence
from typing import NamedTuple

from currant.store.connections import Connection
from currant.store.statements import fetch, load

#: The tables of version 1: who migrates must own them.
TABLES = ("dead_letter_queue", "executions", "schema_migrations", "worker_heartbeats", "workflow_signals")


class Size(NamedTuple):
    """Of the executions: the size as people read it, and the rows by the last ANALYZE, None without one."""

    text: str
    rows: int | None


class Rights(NamedTuple):
    """See upgrade_rights.sql."""

    account: str
    place: str | None
    may_create: bool
    standby: bool
    unowned: list[str]
    unreadable: list[str]


class State(NamedTuple):
    """Of one status: how many, and how many of them are running jobs that no running worker vouches for."""

    status: str
    rows: int
    left_behind: int


_SIZE = load("upgrade_size")
_STATES = load("upgrade_states")
_WORKERS = load("upgrade_workers")
_RIGHTS = load("upgrade_rights")
_TAKEN = load("upgrade_taken")
_INDEXES = load("upgrade_indexes")


async def size(connection: Connection) -> Size:
    ((text, rows),) = await fetch(connection, _SIZE, {})
    return Size(text, rows if rows >= 0 else None)


async def states(connection: Connection) -> list[State]:
    return [State(*row) for row in await fetch(connection, _STATES, {})]


async def workers(connection: Connection) -> list[str]:
    return [row[0] for row in await fetch(connection, _WORKERS, {})]


async def rights(connection: Connection) -> Rights:
    ((*values,),) = await fetch(connection, _RIGHTS, {"tables": list(TABLES)})
    return Rights(*values)


async def taken(connection: Connection, names: Sequence[str]) -> list[str]:
    return [row[0] for row in await fetch(connection, _TAKEN, {"names": list(names)})]


async def slow_indexes(connection: Connection) -> list[str]:
    return [row[0] for row in await fetch(connection, _INDEXES, {})]
