from collections.abc import Iterator

import pytest
from bookshop import jobs


@pytest.fixture(autouse=True)
def empty() -> Iterator[None]:
    yield
    jobs.outbox.clear()
    jobs.printed.clear()
