"""LISTEN, and reading what arrives from the connection's own socket.

psycopg's `notifies()` wakes ten times a second even when idle, and holds the connection's lock.
"""

from collections.abc import Iterable

from psycopg import OperationalError, sql

from currant.errors import DatabaseUnreachable
from currant.names import RESERVED
from currant.store.connections import Connection, connect, one_line
from currant.store.usage import LISTEN, Usage

NODE_PREFIX = f"{RESERVED}node:"
#: What a queue's channel carries when the queue was paused or resumed.
PAUSE = f"{RESERVED}pause"
_PAUSE = PAUSE.encode()


def node_channel(node: str) -> str:
    """Returns the channel that only this node listens to."""
    return f"{NODE_PREFIX}{node}"


class Subscription:
    """A connection that listens. Its owner waits until `fileno` is readable and calls `receive`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def fileno(self) -> int:
        return self._connection.fileno()

    def receive(self) -> dict[str, list[str]]:
        """Returns the channels that were notified since the last call, without waiting.

        With each of a node's own come the payloads; of a queue's only PAUSE, nobody needs the others.

        Raises:
            DatabaseUnreachable: the connection is lost.
        """
        pgconn = self._connection.pgconn
        channels: dict[str, list[str]] = {}
        try:
            pgconn.consume_input()
            while (notify := pgconn.notifies()) is not None:
                payloads = channels.setdefault(name := notify.relname.decode(), [])
                if notify.extra == _PAUSE or name.startswith(NODE_PREFIX):
                    payloads.append(notify.extra.decode())
        except OperationalError as error:
            raise DatabaseUnreachable(one_line(error)) from None
        return channels

    def close(self) -> None:
        self._connection.pgconn.finish()


async def subscribe(url: str, name: str, channels: Iterable[str], *, usage: Usage | None = None) -> Subscription:
    """Connects and listens to the channels: queues, whose names they are, and our own.

    Raises:
        DatabaseUnreachable, DatabaseError: as `connect` does.
    """
    connection = await connect(url, name, writable=True, usage=usage)
    try:
        # A channel has at most 63 bytes; of a queue with a longer name, which only a raw row can have, the tick knows.
        listens = [sql.SQL("LISTEN {}").format(sql.Identifier(each)) for each in channels if len(each.encode()) <= 63]
        await connection.command(LISTEN, sql.SQL("; ").join(listens))
    except BaseException as error:
        connection.pgconn.finish()
        if isinstance(error, OperationalError):
            raise DatabaseUnreachable(one_line(error)) from None
        raise
    return Subscription(connection)
