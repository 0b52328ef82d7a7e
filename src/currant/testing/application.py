"""The client of the process under test. Only here the client's inside is touched."""

from collections.abc import Iterator
from contextlib import contextmanager

from currant import backends
from currant.client import DatabaseBackend


@contextmanager
def application_at(url: str, payload_bytes_max: int) -> Iterator[None]:
    """Makes this database the one that the process enqueues into, whatever the environment says."""
    with backends.installed(DatabaseBackend(url, payload_bytes_max=payload_bytes_max)):
        # Its connections belong to the event loops of the tests, and go with them.
        yield
