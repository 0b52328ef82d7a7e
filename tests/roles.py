"""Roles of Postgres that a test makes, without any rights."""

import secrets
from typing import NamedTuple

import psycopg
from psycopg import conninfo, sql


class Role(NamedTuple):
    """A role of the test's, without any rights; `url` leads to the test's schema as that role."""

    name: str
    url: str


class temporary_role:
    """Makes a role with a name that must be quoted, and removes it with its rights."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._name = f"Role {secrets.token_hex(4)}"

    def __enter__(self) -> Role:
        password = secrets.token_hex(8)
        self._run("CREATE ROLE {} LOGIN PASSWORD {}", sql.Identifier(self._name), sql.Literal(password))
        return Role(self._name, conninfo.make_conninfo(self._url, user=self._name, password=password))

    def __exit__(self, *_: object) -> None:
        self._run("DROP OWNED BY {}", sql.Identifier(self._name))
        self._run("DROP ROLE {}", sql.Identifier(self._name))

    def _run(self, statement: str, *parts: sql.Composable) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*parts))
