"""Version-1 databases, and this process as an application."""

from collections.abc import Iterator

import psycopg
import pytest

import currant
from tests import version_1


@pytest.fixture(params=[False, True], ids=["published", "by the facts alone"])
def version_1_url(empty_url: str, request: pytest.FixtureRequest) -> str:
    """Version 1 with rows of every kind: as Currant publishes it, and with no more than the facts say."""
    with psycopg.connect(empty_url, autocommit=True) as connection:
        version_1.make(connection, loose=request.param)
        version_1.fill(connection)
    return empty_url


@pytest.fixture
def application(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[psycopg.Connection]:
    """This process as an application with CURRANT_DATABASE_URL; gives a connection to look at the rows."""
    monkeypatch.setenv("CURRANT_DATABASE_URL", url)
    currant.configure()
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection
    currant.close()
    monkeypatch.undo()
    currant.configure()
