"""What `currantctl doctor` asks of a database: a typed function for each fact. Nothing here changes or locks."""

import asyncio
import secrets
from collections.abc import Sequence
from typing import NamedTuple

import psycopg
from psycopg import sql

from currant.names import RESERVED
from currant.store.connections import Connection, connect
from currant.store.grants import Right
from currant.store.statements import fetch, load

#: How long a notification may take, in seconds.
HEARD_S = 10.0
LETTERS_MAX = 10_000
LOOK_NAME = "currant:doctor"

_SERVER = load("doctor_server")
_SETTINGS = load("doctor_settings")
_RIGHTS = load("doctor_rights")
_CONNECTIONS = load("doctor_connections")
_HOLDERS = load("doctor_holders")
_VACUUM = load("doctor_vacuum")
_NODES = load("doctor_nodes")
_LETTERS = load("doctor_letters")


class Server(NamedTuple):
    """See doctor_server.sql. `number`: the version as 150004."""

    version: str
    number: int
    account: str
    standby: bool
    place: str | None
    elsewhere: list[str]
    owner: bool | None
    sees_all: bool


class Sessions(NamedTuple):
    """What stands between us and the server.

    `pooled`: a pooler answers in its place. `shared`: what is set in a session is not there in its next statement, for
    another's statement may use the same session. `heard`: a notification came through within HEARD_S.
    """

    pooled: bool
    shared: bool
    heard: bool


class Connections(NamedTuple):
    """See doctor_connections.sql."""

    most: int
    taken: int
    most_here: int | None
    here: int
    most_own: int | None
    own: int


class Holder(NamedTuple):
    """See doctor_holders.sql."""

    kind: str
    name: str
    program: str
    state: str | None
    age_s: float | None
    transactions: int


class Vacuum(NamedTuple):
    """See doctor_vacuum.sql."""

    live: int
    dead: int
    vacuumed_s: float | None
    disabled: bool
    transactions: int


class Letters(NamedTuple):
    """How many dead letters there are, and how many young ones; `cut`: there are more than were looked at."""

    letters: int
    recent: int
    cut: bool


async def server(connection: Connection) -> Server:
    return Server(*(await fetch(connection, _SERVER, {}))[0])


async def settings(connection: Connection, names: Sequence[str]) -> dict[str, str]:
    """Returns those of the settings that the server has, times in milliseconds."""
    return dict(await fetch(connection, _SETTINGS, {"names": list(names)}))


async def missing_rights(connection: Connection, rights: Sequence[Right]) -> list[Right]:
    """Returns those of the rights that the session's role lacks."""
    parameters = {
        "privileges": [each.privilege for each in rights],
        "tables": [each.table for each in rights],
        "columns": [each.column for each in rights],
    }
    return [Right(*row) for row in await fetch(connection, _RIGHTS, parameters)]


async def connections(connection: Connection) -> Connections:
    return Connections(*(await fetch(connection, _CONNECTIONS, {}))[0])


async def holders(connection: Connection, *, age_s: float, transactions: int) -> list[Holder]:
    """Returns what has held back vacuum for so many seconds; replication slots, for so many transactions."""
    return [Holder(*row) for row in await fetch(connection, _HOLDERS, {"age_s": age_s, "transactions": transactions})]


async def vacuum(connection: Connection) -> Vacuum:
    return Vacuum(*(await fetch(connection, _VACUUM, {}))[0])


async def nodes(connection: Connection) -> dict[str, float]:
    """Returns how old the heartbeat of each node is that has not stopped, in seconds, the youngest first."""
    return dict(await fetch(connection, _NODES, {}))


async def letters(connection: Connection, *, recent_s: float) -> Letters:
    ((count, recent),) = await fetch(connection, _LETTERS, {"rows": LETTERS_MAX, "recent_s": recent_s})
    return Letters(min(count, LETTERS_MAX), recent, count > LETTERS_MAX)


async def sessions(url: str) -> Sessions:
    """Opens two connections, and looks whether each of them has a session of the server to itself.

    Raises what `connect` does.
    """
    first = await connect(url, LOOK_NAME)
    try:
        second = await connect(url, LOOK_NAME)
        try:
            return await _compare(first, second)
        finally:
            second.pgconn.finish()
    finally:
        first.pgconn.finish()


async def _compare(first: Connection, second: Connection) -> Sessions:
    channel = f"{RESERVED}doctor:{secrets.token_hex(8)}"
    before = await _backend(first)
    # In a transaction it keeps its session. One that is lent out by the transaction was the other's a moment ago.
    async with second.transaction():
        other = await _backend(second)
        shared = other == before or await _backend(first) != before
    if shared:
        # Whatever were set here would stay in a session that is others'.
        return Sessions(pooled=True, shared=True, heard=False)
    await first.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
    await second.execute("SELECT pg_notify(%s, '')", (channel,))
    heard = await _hears(first)
    return Sessions(pooled=first.info.backend_pid != before, shared=shared, heard=heard)


async def _backend(connection: Connection) -> int:
    ((pid,),) = await (await connection.execute("SELECT pg_backend_pid()", prepare=False)).fetchall()
    return int(pid)


async def _hears(connection: Connection) -> bool:
    try:
        async with asyncio.timeout(HEARD_S):
            async for _ in connection.notifies():
                return True
    except (TimeoutError, psycopg.OperationalError):
        pass
    return False
