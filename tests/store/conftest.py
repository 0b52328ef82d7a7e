"""Version-1 databases for the store's tests."""

import psycopg
import pytest

from tests import version_1


@pytest.fixture(params=[False, True], ids=["published", "by the facts alone"])
def version_1_url(empty_url: str, request: pytest.FixtureRequest) -> str:
    """Version 1 with rows of every kind: as Currant publishes it, and with no more than the facts say."""
    with psycopg.connect(empty_url, autocommit=True) as connection:
        version_1.make(connection, loose=request.param)
        version_1.fill(connection)
    return empty_url
