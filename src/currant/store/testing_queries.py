"""The statements that only tests of applications use."""

from currant.store.connections import Connection
from currant.store.statements import fetch, load

_WAITING_QUEUES = load("waiting_queues")


async def waiting_queues(connection: Connection) -> list[str]:
    """Returns the queues in which jobs wait, also for later."""
    return [row[0] for row in await fetch(connection, _WAITING_QUEUES, {})]
