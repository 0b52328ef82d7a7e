"""`currant prune`: deletes what ended long ago, as every node does now and then."""

import random
import time
from typing import Annotated

from currant import settings as setting
from currant.cli.common import DatabaseOption, EmbeddedOption, database, reported
from currant.cli.interrupts import run_async
from currant.cli.options import setting_option
from currant.cli.output import write_json
from currant.cli.values import JsonOption
from currant.settings import Settings
from currant.store import connections, migrate, retention
from currant.store.connections import Session
from currant.store.retention import Keep, Pruned, Range
from currant.supervisor.prune import Pruner

#: A piece of a table that is not in memory takes its time.
STATEMENT_S = 60.0


def prune_command(
    keep_completed: Annotated[
        str | None, setting_option("keep_completed_s", "--keep-completed", metavar="SECONDS")
    ] = None,
    keep_failed: Annotated[str | None, setting_option("keep_failed_s", "--keep-failed", metavar="SECONDS")] = None,
    as_json: JsonOption = False,
    database_url: DatabaseOption = None,
    embedded: EmbeddedOption = False,
) -> None:
    """Deletes executions and dead letters that ended long ago, now. Running nodes do so by themselves."""
    given = {"database_url": database_url, "keep_completed_s": keep_completed, "keep_failed_s": keep_failed}
    with reported("currant"):
        settings = setting.load(given)
        with database(settings, embedded=embedded, url_option=database_url) as complete:
            pruned = run_async(lambda: _prune(complete))
        if as_json:
            write_json({"pruned": pruned})
        else:
            print(f"pruned {pruned:,} executions and dead letters")


async def _prune(settings: Settings) -> int:
    url = str(settings.database_url)
    connection = await connections.connect(url, "currant")
    await migrate.check(connection)
    await connection.close()
    keep = Keep(settings.keep_completed_s, settings.keep_failed_s)
    store = _Store(url)
    pruner = Pruner(
        store,
        keep,
        newest_s=min(keep),
        pruned=lambda _: None,
        refused=lambda _: None,
        clock=time.monotonic,
        random=random.random,
    )
    try:
        return await pruner.once()
    finally:
        await store.close()


class _Store:
    """The pruner's statements on a connection of its own; a failure ends the command."""

    def __init__(self, url: str) -> None:
        self._session = Session(url, "currant", lost=lambda *_: None, regained=lambda *_: None, statement_s=STATEMENT_S)

    async def prune_ranges(self, newest_s: float) -> list[Range]:
        return await self._session.once(lambda connection: retention.prune_ranges(connection, newest_s=newest_s))

    async def prune(self, where: Range, keep: Keep, rows: int) -> Pruned:
        return await self._session.once(lambda connection: retention.prune(connection, where, keep=keep, rows=rows))

    async def prune_dead(self, keep: Keep, rows: int) -> int:
        return await self._session.once(lambda connection: retention.prune_dead(connection, keep=keep, rows=rows))

    async def close(self) -> None:
        await self._session.close()
