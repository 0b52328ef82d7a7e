"""Jobs whose log is empty at the beginning of each test, and the server of the run for `currant_db`."""

from collections.abc import Iterator

import pytest

from currant.store.scratch import Scratch
from tests.testing import jobs

#: A project of its own, with a pytest of its own: see test_plugin.py.
collect_ignore = ["sample"]


@pytest.fixture(autouse=True)
def empty_log() -> Iterator[None]:
    jobs.log.clear()
    yield
    jobs.log.clear()


@pytest.fixture(scope="session")
def _currant_server(server: Scratch) -> str:
    """Takes the place of the plugin's, which would start another."""
    return server.url
