"""The pytest plugin: the fixtures `currant_inline` and `currant_db`.

pytest imports it at its start in every project of the environment: everything else is imported by the fixtures.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from currant.testing import CurrantDatabase, Inline


@pytest.fixture
def currant_inline() -> "Iterator[Inline]":
    """What is enqueued runs at once in this process, without a database. See `currant.testing.inline`."""
    from currant.testing import inline

    with inline() as box:
        yield box


@pytest.fixture(scope="session")
def _currant_server() -> Iterator[str]:
    """The address of the server for the databases of the tests: CURRANT_DATABASE_URL, else a throwaway Postgres."""
    from currant import settings

    url = settings.load().database_url
    if url is not None:
        yield url
        return
    from currant.errors import EmbeddedError
    from currant.store.embedded import start_throwaway

    try:
        server = start_throwaway()
    except EmbeddedError as error:
        pytest.skip(
            "currant_db needs a database: set CURRANT_DATABASE_URL to a server where it may make schemas of its own;"
            f" else {error}"
        )
    with server:
        yield server.url


@pytest.fixture
def currant_db(_currant_server: str) -> "Iterator[CurrantDatabase]":
    """A real database: a new schema for each test, which this process enqueues into, and `run_pending()`.

    It is on the server of CURRANT_DATABASE_URL, else on a throwaway Postgres; without either the test is skipped.
    """
    from currant.errors import CurrantError
    from currant.testing.database import database_at

    with ExitStack() as stack:
        try:
            database = stack.enter_context(database_at(_currant_server))
        except CurrantError as error:
            pytest.fail(f"currant_db: {error}", pytrace=False)
        yield database
