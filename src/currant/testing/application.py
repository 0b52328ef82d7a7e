"""The client of the process under test. Only here the client's inside is touched."""

from collections.abc import Iterator
from contextlib import contextmanager

from currant import backends, client


@contextmanager
def application_at(url: str, payload_bytes_max: int) -> Iterator[None]:
    """Makes this database the one that the process enqueues into, whatever the environment and `configure` say."""
    backend = client.DatabaseBackend(url, payload_bytes_max=payload_bytes_max)
    try:
        with backends.installed(backend):
            yield
    finally:
        backend.sweep(retire=True)
        client.close()
