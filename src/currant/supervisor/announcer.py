"""What the log says of each phase."""

import os

from currant.settings import Settings
from currant.supervisor.database import Database
from currant.supervisor.events import Counts, Event, Log
from currant.supervisor.ledger import Ledger
from currant.supervisor.lifecycle import Phase


class Announcer:
    """Tells the log of the transitions."""

    def __init__(self, settings: Settings, database: Database, ledger: Ledger, counts: Counts, log: Log) -> None:
        self._settings, self._database, self._ledger, self._counts = settings, database, ledger, counts
        self._log = log

    def announce(self, before: Phase, now: Phase, why: str | None) -> None:
        """A transition has been made; `why`: who asked for the end, if it is one."""
        running = self._ledger.held
        match now:
            case Phase.RUNNING | Phase.DEGRADED if before is Phase.STARTING:
                self._log.info(
                    Event.READY,
                    node=self._database.node,
                    pid=os.getpid(),
                    procs=self._settings.procs,
                    concurrency=self._settings.concurrency,
                    queues=self._database.queues,
                )
            case Phase.DRAINING:
                self._log.info(Event.DRAINING, reason=why, running=running, grace_s=self._settings.grace_s)
            case Phase.HURRYING:
                self._log.warning(Event.HURRYING, running=running)
            case Phase.QUITTING:
                self._log.warning(Event.QUITTING, reason=why, running=running)
            case Phase.STOPPED if self._database.node:
                self._log.info(
                    Event.STOPPED,
                    completed=self._counts.completed,
                    failed=self._counts.failed,
                    retried=self._counts.retried,
                    released=self._counts.released,
                    unsaved=self._ledger.unsaved,
                )
