"""Jobs whose log is empty at the beginning of each test."""

from collections.abc import Iterator

import pytest

from tests.testing import jobs

#: A project of its own, with a pytest of its own: see test_plugin.py.
collect_ignore = ["sample"]


@pytest.fixture(autouse=True)
def empty_log() -> Iterator[None]:
    jobs.log.clear()
    yield
    jobs.log.clear()
