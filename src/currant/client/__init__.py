"""The application's side: enqueueing into the database, over connections of its own or in the caller's transaction."""

import atexit

from currant import configuration
from currant.client.backend import DatabaseBackend, all_backends
from currant.client.portal import portal as _portal
from currant.client.within import enqueue_within, enqueue_within_sync
from currant.errors import ConfigurationError
from currant.settings import Settings
from currant.store import connections

__all__ = ["DatabaseBackend", "aclose", "check", "close", "default", "enqueue_within", "enqueue_within_sync", "forget"]

_default: list[DatabaseBackend] = []


def default() -> DatabaseBackend:
    """Returns the backend of the database that `configure` or the environment names.

    Raises:
        ConfigurationError: none is named, or its address cannot be read.
    """
    if not _default:
        loaded = configuration.load()
        if loaded.database_url is None:
            raise ConfigurationError(
                "CURRANT_DATABASE_URL is not set: set it to the address of the database, such as"
                " postgresql://user:password@host:5432/database, or call currant.configure(database_url=...)"
            )
        _default.append(
            DatabaseBackend(loaded.database_url, payload_bytes_max=loaded.payload_bytes_max, pool_size=loaded.pool_size)
        )
    return _default[0]


def check(settings: Settings) -> None:
    """Raises ConfigurationError when the settings name a database whose address cannot be read."""
    if settings.database_url is not None:
        connections.check_url(settings.database_url)


def forget() -> None:
    """Lets the default backend go: its connections are closed when their statements are done."""
    for backend in _default:
        backend.sweep(retire=True)
    _default.clear()


async def aclose() -> None:
    """Closes the calling event loop's connections, and does as `close`."""
    await _close_here()
    close()


def close() -> None:
    """Ends the background thread, and closes what event loops that have ended left behind."""
    _portal.stop(_close_here)
    for backend in all_backends():
        backend.sweep()


async def _close_here() -> None:
    for backend in all_backends():
        await backend.close()


def _at_exit() -> None:
    close()
    for backend in all_backends():
        backend.sweep(at_exit=True)


atexit.register(_at_exit)
