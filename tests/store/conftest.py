"""This process as an application."""

from collections.abc import Iterator

import psycopg
import pytest

import currant


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
