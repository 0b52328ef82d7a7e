"""Asks the database what `doctor` wants to know; one fact that cannot be had is one check that says so."""

import time
from collections.abc import Awaitable, Callable
from datetime import datetime

from currant.cli.doctor import server, work
from currant.cli.doctor.check import Check
from currant.errors import CurrantError, DatabaseError
from currant.settings import Settings
from currant.store import checkup, connections, grants, inspection, migrate, parking, queries
from currant.store.connections import Connection
from currant.store.inspection import told

Look = Callable[[], Awaitable[list[Check]]]
ROUND_TRIPS = 3


async def examine(settings: Settings) -> list[Check]:
    """Returns the checks of the database and of what lies in it; the first that fails may be the last."""
    if (nowhere := server.check_address(settings.database_url)) is not None:
        return [nowhere]
    url = str(settings.database_url)
    try:
        connection = await connections.connect(connections.check_url(url), checkup.LOOK_NAME)
    except CurrantError as error:
        return [server.unreachable(error)]
    try:
        return await _Examination(settings, url, connection).checks()
    finally:
        connection.pgconn.finish()


class _Examination:
    """Makes one check after the other, over one connection; the later ones need what the first have found."""

    def __init__(self, settings: Settings, url: str, connection: Connection) -> None:
        self._settings, self._url, self._connection = settings, url, connection
        self._server: checkup.Server | None = None
        self._version = 0
        #: The server's settings, as they are before this session limits itself.
        self._given: dict[str, str] = {}

    async def checks(self) -> list[Check]:
        found = []
        for name, look in (
            ("clock", self._look_at_clock),
            ("version", self._look_at_server),
            ("server settings", self._look_at_settings),
            ("pooler", self._look_at_sessions),
            ("connections", self._look_at_connections),
            ("schema", self._look_at_schema),
        ):
            found += await self._tried(name, look)
        if self._version == migrate.VERSION:
            for name, look in (
                ("rights", self._look_at_rights),
                ("autovacuum", self._look_at_vacuum),
                ("nodes", self._look_at_nodes),
                ("queues", self._look_at_queues),
                ("dead letters", self._look_at_letters),
            ):
                found += await self._tried(name, look)
        return found

    async def _tried(self, name: str, look: Look) -> list[Check]:
        try:
            with told(self._url):
                return await look()
        except DatabaseError as error:
            return [server.not_checked(name, str(error))]

    async def _look_at_clock(self) -> list[Check]:
        trips = []
        for _ in range(ROUND_TRIPS):
            sent_s = time.time()
            database_s = await inspection.clock_s(self._connection)
            answered_s = time.time()
            trips.append((answered_s - sent_s, database_s - (sent_s + answered_s) / 2))
        # The quickest tells most.
        round_trip_s, offset_s = min(trips)
        place = connections.describe(self._url)
        return [server.reached(place, round_trip_s), server.check_clock(offset_s, max(0.05, round_trip_s))]

    async def _look_at_server(self) -> list[Check]:
        self._server = await checkup.server(self._connection)
        return server.check_server(self._server)

    async def _look_at_settings(self) -> list[Check]:
        self._given = await checkup.settings(self._connection, server.SETTINGS)
        return server.check_settings(self._given, self._known().account)

    async def _look_at_sessions(self) -> list[Check]:
        found = await checkup.sessions(self._url)
        if not found.shared:
            await inspection.limit(self._connection)
        return server.check_sessions(found, self._settings.poll_s)

    async def _look_at_connections(self) -> list[Check]:
        return [server.check_connections(await checkup.connections(self._connection))]

    async def _look_at_schema(self) -> list[Check]:
        self._version = await queries.schema_version(self._connection)
        return [server.check_schema(self._known(), self._version, migrate.VERSION)]

    async def _look_at_rights(self) -> list[Check]:
        missing = await checkup.missing_rights(self._connection, grants.rights(grants.Kind.NODE))
        return [server.check_rights(self._known(), missing)]

    async def _look_at_vacuum(self) -> list[Check]:
        holders = await checkup.holders(self._connection, age_s=server.HELD_S, transactions=server.HELD_TRANSACTIONS)
        vacuum = await checkup.vacuum(self._connection)
        return [
            server.check_vacuum(vacuum, self._given),
            server.check_holders(holders, sees_all=self._known().sees_all),
        ]

    async def _look_at_nodes(self) -> list[Check]:
        return [work.check_nodes(await checkup.nodes(self._connection), self._settings.heartbeat_timeout_s)]

    async def _look_at_queues(self) -> list[Check]:
        timeout_s = self._settings.heartbeat_timeout_s
        queues = await inspection.list_queues(self._connection, heartbeat_timeout_s=timeout_s)
        now_s = await inspection.clock_s(self._connection)
        ages_s = {each.name: now_s - _moment_s(each.oldest_pending_at, now_s) for each in queues}
        names = [each.name for each in queues if each.parked]
        parked = await parking.parked(self._connection, queues=names, rows=inspection.COUNT_MAX)
        return [*work.check_queues(queues, ages_s), work.check_paused(queues, now_s), work.check_parked(parked)]

    async def _look_at_letters(self) -> list[Check]:
        return [work.check_letters(await checkup.letters(self._connection, recent_s=work.RECENT_S))]

    def _known(self) -> checkup.Server:
        if self._server is None:
            raise DatabaseError("the server did not say who it is")
        return self._server


def _moment_s(moment: str | None, now_s: float) -> float:
    """Returns a moment as Unix time; now where there is none, or one beyond Python's calendar."""
    try:
        return now_s if moment is None else datetime.fromisoformat(moment).timestamp()
    except (ValueError, OverflowError):
        return now_s
