"""What the application says of its database in one line, and the end of what was made for it.

A module of jobs may call `configure` too, and is imported by children: so nothing here imports the driver.
"""

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from currant.settings import Settings

_given: dict[str, Any] = {}
_loaded: "list[Settings]" = []


def configure(*, database_url: str | None = None, pool_size: int | None = None) -> None:
    """Says where the application enqueues; overrides the environment, which counts for what is not given.

    May be called again: what was made for the former settings is closed, once the statements under way are done.
    Without arguments, everything is as the environment now says. Nothing is connected yet.

    Args:
        database_url: the database's address, as libpq reads it.
        pool_size: the most connections of each event loop.

    Raises:
        ConfigurationError: a value cannot be used; nothing has changed.
    """
    given = {"database_url": database_url, "pool_size": pool_size}
    loaded = _load(given)
    client = _client()
    if client is not None:
        client.check(loaded)
    _given.clear()
    _given.update(given)
    _loaded[:] = [loaded]
    if client is not None:
        client.forget()


def load() -> "Settings":
    """Returns what was configured over what the environment now says. Raises ConfigurationError."""
    _loaded[:] = [_load(_given)]
    return _loaded[0]


def configured() -> "Settings":
    """Returns the settings as they were loaded last. Raises ConfigurationError."""
    return _loaded[0] if _loaded else load()


async def aclose() -> None:
    """Closes the calling event loop's connections, when the statements under way are done, and does as `close`.

    The next enqueue connects anew.
    """
    client = _client()
    if client is not None:
        await client.aclose()


def close() -> None:
    """Ends the background thread of the synchronous calls, and the connections of event loops that have ended.

    The next call begins anew. Called at the interpreter's exit, too.
    """
    client = _client()
    if client is not None:
        client.close()


def _client() -> ModuleType | None:
    """Returns the client if something has been enqueued: what was never imported has nothing to close."""
    return sys.modules.get("currant.client")


def _load(given: dict[str, Any]) -> "Settings":
    # Here and not above: `import currant` is what every child does, and it needs no settings.
    from currant import settings

    return settings.load(given)
