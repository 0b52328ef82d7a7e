"""Roles of Postgres with no more rights than they need: for nodes, and for applications."""

import enum
import re
from typing import NamedTuple

import psycopg
from psycopg import sql

from currant.errors import ConfigurationError, DatabaseError, SchemaError
from currant.store.connections import Connection, connect, one_line
from currant.store.statements import fetch, load
from currant.store.upgrade_queries import TABLES

#: Those that a role is granted rights on, and those of version 1 besides.
_TABLES = [*TABLES, "paused_queues", "schedules"]
_FACTS = load("grant_facts")
_NONE = load("grant_none")
_SCHEMA = load("grant_schema")


class Kind(enum.StrEnum):
    """What a role is for."""

    NODE = "node"
    CLIENT = "client"


_GRANTS = {Kind.NODE: load("grant_node"), Kind.CLIENT: load("grant_client")}


class Right(NamedTuple):
    """A privilege on one of our tables, or on one column of it."""

    privilege: str
    table: str
    column: str | None


class Facts(NamedTuple):
    """See grant_facts.sql."""

    account: str
    place: str | None
    missing: list[str]
    unowned: list[str]
    owned: list[str] | None
    uses: bool
    creates: bool
    connects: bool


class Granted(NamedTuple):
    """What was granted, or would be: the statements, and what the role still lacks or has too much, in words."""

    statements: str
    remarks: list[str]


async def grant_at(url: str, role: str, kind: Kind, *, dry: bool) -> Granted:
    """Gives the role exactly the rights of its kind, in one transaction; may be repeated, also with the other kind.

    Args:
        url: the database's address, as the owner of Currant's tables.
        dry: change nothing.

    Raises:
        ConfigurationError: there is no such role, or it owns the tables.
        SchemaError: the tables are not there.
        DatabaseError: this account may not grant on them, or the database refuses or does not answer.
    """
    connection = await connect(url, "currant")
    try:
        (found,) = await fetch(connection, _FACTS, {"tables": _TABLES, "role": role})
        facts = Facts(*found)
        _check(facts, role)
        statements = _statements(facts, role, kind)
        if not dry:
            await _carry_out(connection, statements)
    except psycopg.Error as error:
        raise DatabaseError(f"the grant was refused, and nothing has changed: {one_line(error)}") from error
    finally:
        await connection.close()
    return Granted(statements, _remarks(facts, role))


def rights(kind: Kind) -> list[Right]:
    """Returns what a role of this kind needs, as the statement that grants it has it."""
    found = []
    for grant in re.findall(r"GRANT\s+(.*?)\s+TO ", _GRANTS[kind].text.decode(), re.DOTALL):
        privileges, tables = re.split(r"\bON\s", grant)
        for table in re.findall(r"\{schema\}\.(\w+)", tables):
            for privilege, columns in re.findall(r"([A-Z]+)\s*(?:\(([^)]*)\))?", privileges):
                found += [Right(privilege, table, column.strip() or None) for column in columns.split(",")]
    return found


async def _carry_out(connection: Connection, statements: str) -> None:
    # Postgres says what it has left out as a warning, e.g. for a schema that belongs to someone else.
    left_out: list[str] = []
    connection.add_notice_handler(lambda notice: left_out.append(notice.message_primary or ""))
    async with connection.transaction():
        await connection.execute(statements.encode())
        if left_out:
            raise DatabaseError(f"the grant was refused, and nothing has changed: {'; '.join(left_out)}")


def _check(facts: Facts, role: str) -> None:
    if facts.missing:
        raise SchemaError(f"the database has no table {', '.join(facts.missing)}: run `currant migrate` first")
    if facts.owned is None:
        raise ConfigurationError(
            f"the database has no role {role}: make it first, as in CREATE ROLE {_name(role)} LOGIN PASSWORD '...'"
        )
    if facts.owned:
        raise ConfigurationError(
            f"the role {role} owns {', '.join(facts.owned)}, itself, through another role, or as a superuser:"
            " it may do everything already, so make another role for this"
        )
    if facts.unowned:
        raise DatabaseError(
            f"the account {facts.account} does not own {', '.join(facts.unowned)}: grant as the role that ran"
            " `currant migrate`"
        )


def _statements(facts: Facts, role: str, kind: Kind) -> str:
    assert facts.place is not None
    names = {"schema": sql.Identifier(facts.place), "role": sql.Identifier(role)}
    texts = [_NONE, *([] if facts.uses else [_SCHEMA]), _GRANTS[kind]]
    return "\n".join(sql.SQL(each.text.decode()).format(**names).as_string(None) for each in texts)


def _remarks(facts: Facts, role: str) -> list[str]:
    remarks = []
    if not facts.connects:
        remarks.append(f"{role} may not connect to this database yet: GRANT CONNECT ON DATABASE ... TO {_name(role)}")
    if facts.creates:
        remarks.append(
            f"{role} may make tables in the schema {facts.place}, as everyone there may:"
            f" REVOKE CREATE ON SCHEMA {_name(str(facts.place))} FROM PUBLIC"
        )
    if facts.place != "public":
        remarks.append(
            f"{role} finds the tables only with the schema in its search path:"
            f" ALTER ROLE {_name(role)} SET search_path = {_name(str(facts.place))}"
        )
    return remarks


def _name(identifier: str) -> str:
    return sql.Identifier(identifier).as_string(None)
