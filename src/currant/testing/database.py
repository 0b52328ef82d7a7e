"""A real database for a test: a schema of its own, which the process enqueues into, and what is due worked off here."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from currant import settings
from currant.records import Record
from currant.store import connections, inspection, migrate
from currant.store.connections import Connection
from currant.store.scratch import scratch_database
from currant.testing.application import application_at
from currant.testing.portal import Portal
from currant.testing.working import Work

T = TypeVar("T")
#: pytest leaves our frames out of the tracebacks that it shows.
__tracebackhide__ = True


class CurrantDatabase:
    """What the fixture `currant_db` gives."""

    def __init__(self, url: str, portal: Portal, payload_bytes_max: int) -> None:
        #: The address; its search path is the schema of this test.
        self.url = url
        self._portal, self._payload_bytes_max = portal, payload_bytes_max

    def run_pending(self) -> list[Record]:
        """Runs what is due in the database, in this process, and what that enqueues; returns what ran, as it is then.

        The executions are claimed, completed and settled as a node does it. A failure is tried again at once, as often
        as its retries say; the waits of Retry, Snooze, delay= and run_at= are kept, so that such do not run.

        Raises:
            CurrantError: there is no end to it.
            DatabaseError: the database cannot be used.
        """
        return self._portal.run(self.run_pending_async())

    async def run_pending_async(self) -> list[Record]:
        """Does as `run_pending` in the calling event loop."""

        async def work_off(connection: Connection) -> list[Record]:
            ids = await Work(connection, self._payload_bytes_max).run()
            found = [await inspection.get(connection, id) for id in ids]
            # Those with keep_completed=0 are not there any more.
            return [record for record in found if record is not None]

        return await self._connected(work_off)

    def get(self, id: str) -> Record | None:
        """Returns one execution as it is in the database; None when it is not there."""

        async def get(connection: Connection) -> Record | None:
            return await inspection.get(connection, id)

        return self._portal.run(self._connected(get))

    async def _connected(self, ask: Callable[[Connection], Awaitable[T]]) -> T:
        connection = await connections.connect(self.url, "currant test")
        try:
            return await ask(connection)
        finally:
            await connection.close()


@contextmanager
def database_at(server_url: str) -> Iterator[CurrantDatabase]:
    """Gives a new schema on this server, migrated, and makes it the one that the process enqueues into.

    Raises:
        DatabaseError: the server does not let us.
    """
    payload_bytes_max = settings.load().payload_bytes_max
    portal = Portal("currant: test database")
    with scratch_database(server_url, "test") as scratch:
        try:
            portal.run(migrate.migrate_at(scratch.url))
            with application_at(scratch.url, payload_bytes_max):
                yield CurrantDatabase(scratch.url, portal, payload_bytes_max)
        finally:
            portal.close()
