"""Roles with no more rights than they need: what each may not do, and what a grant says that cannot be made."""

import asyncio
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from currant.errors import ConfigurationError, DatabaseError, SchemaError
from currant.store.grants import Granted, Kind, grant_at
from currant.store.scratch import Scratch
from tests.conftest import empty_schema
from tests.roles import Role, temporary_role


@pytest.fixture
def empty_url(each_server: Scratch) -> Iterator[str]:
    """Everything here is to work on both servers."""
    with empty_schema(each_server) as url:
        yield url


@pytest.fixture
def role(empty_url: str) -> Iterator[Role]:
    with temporary_role(empty_url) as made:
        yield made


@pytest.fixture
def other(empty_url: str) -> Iterator[Role]:
    with temporary_role(empty_url) as made:
        yield made


def grant(url: str, role: Role, kind: Kind, *, dry: bool = False) -> Granted:
    return asyncio.run(grant_at(url, role.name, kind, dry=dry))


def rights(url: str, role: Role) -> set[str]:
    """Returns what the role may do, as the catalogue says: "INSERT executions", "UPDATE executions.status"."""
    with psycopg.connect(url) as connection:
        tables = connection.execute(
            "SELECT privilege_type, table_name FROM information_schema.role_table_grants WHERE grantee = %s",
            (role.name,),
        ).fetchall()
        columns = connection.execute(
            "SELECT privilege_type, table_name || '.' || column_name FROM information_schema.column_privileges"
            " WHERE grantee = %s",
            (role.name,),
        ).fetchall()
    return {f"{right} {what}" for right, what in tables + columns}


def refused(url: str, statement: str) -> bool:
    with psycopg.connect(url, autocommit=True) as connection:
        try:
            connection.execute(statement.encode())
        except psycopg.errors.InsufficientPrivilege:
            return True
    return False


NOBODYS = [
    "CREATE TABLE mine (id int)",
    "ALTER TABLE executions ADD COLUMN mine int",
    "DROP TABLE executions",
    "TRUNCATE executions",
    "CREATE INDEX mine ON executions (status)",
    "INSERT INTO schema_migrations (version) VALUES (99)",
    "SELECT * FROM workflow_signals",
    "SELECT * FROM secrets",
    "CREATE ROLE another",
]
NO_CLIENTS = [
    "SELECT args FROM executions",
    "SELECT kwargs FROM executions",
    "DELETE FROM executions",
    "UPDATE executions SET result = '1'",
    "UPDATE executions SET args = '[]'",
    "UPDATE executions SET lease = 1",
    "UPDATE executions SET function_name = 'app.other'",
    "INSERT INTO executions (id, type, function_name, queue, status, lease) VALUES ('x', 'job', 'f', 'q', 'failed', 1)",
    "SELECT * FROM worker_heartbeats",
    "UPDATE worker_heartbeats SET status = 'stopped'",
    "SELECT * FROM dead_letter_queue",
    "DELETE FROM dead_letter_queue",
    "SELECT * FROM schedules",
    "DELETE FROM schedules",
    "SELECT * FROM paused_queues",
    "DELETE FROM paused_queues",
]
NO_NODES = ["UPDATE dead_letter_queue SET execution_data = '{}'"]


@pytest.mark.parametrize(("kind", "more"), [(Kind.NODE, NO_NODES), (Kind.CLIENT, NO_CLIENTS)])
def test_a_role_cannot_do_what_it_should_not(url: str, role: Role, kind: Kind, more: list[str]) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE secrets (id int)")
    with psycopg.connect(role.url) as connection, pytest.raises(psycopg.errors.UndefinedTable):
        # Not even the schema is its to use.
        connection.execute("SELECT id FROM executions")
    grant(url, role, kind)
    assert not refused(role.url, "SELECT id FROM executions")
    assert [statement for statement in NOBODYS + more if not refused(role.url, statement)] == []


def test_a_grant_may_be_repeated_and_changed_and_takes_back_what_was_given(url: str, role: Role) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("GRANT ALL ON workflow_signals, executions TO {}").format(sql.Identifier(role.name)))
    grant(url, role, Kind.NODE)
    node = rights(url, role)
    assert "DELETE executions" in node
    assert not [right for right in node if "workflow_signals" in right or "TRUNCATE" in right]
    grant(url, role, Kind.NODE)
    assert rights(url, role) == node
    granted = grant(url, role, Kind.CLIENT)
    client = rights(url, role)
    assert "UPDATE executions.status" in client
    assert not [right for right in client if right.startswith("DELETE")]
    assert f'TO "{role.name}"' in granted.statements


def test_a_dry_grant_gives_the_statements_and_changes_nothing(url: str, role: Role) -> None:
    statements = grant(url, role, Kind.NODE, dry=True).statements
    assert rights(url, role) == set()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statements.encode())
    by_hand = rights(url, role)
    grant(url, role, Kind.NODE)
    assert rights(url, role) == by_hand


def test_a_role_that_there_is_not_is_told_how_to_make_it(url: str) -> None:
    with pytest.raises(
        ConfigurationError, match=r'no role nobody here: make it first, as in CREATE ROLE "nobody here"'
    ):
        grant(url, Role("nobody here", ""), Kind.NODE)


def test_the_owner_is_not_granted_anything(url: str) -> None:
    with psycopg.connect(url) as connection:
        ((owner,),) = connection.execute("SELECT current_user").fetchall()
    with pytest.raises(ConfigurationError, match=r"owns .*executions.* make another role"):
        grant(url, Role(owner, ""), Kind.CLIENT)


def test_another_than_the_owner_is_told_who_can_grant(url: str, role: Role, other: Role) -> None:
    grant(url, role, Kind.NODE)
    with pytest.raises(DatabaseError, match=r"does not own .*executions.*grant as the role that ran"):
        grant(role.url, other, Kind.NODE)
    assert rights(url, other) == set()


def test_without_tables_there_is_nothing_to_grant(empty_url: str, role: Role) -> None:
    with pytest.raises(SchemaError, match="run `currant migrate` first"):
        grant(empty_url, role, Kind.NODE)


def test_what_the_grant_does_not_do_is_said(url: str, role: Role) -> None:
    (remark,) = grant(url, role, Kind.CLIENT).remarks
    assert "search_path" in remark
