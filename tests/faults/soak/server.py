"""A Postgres of the test's own, which it may end without warning and start again."""

import asyncio
import os
import shutil
import signal
import tempfile
from pathlib import Path

from currant.store import migrate
from currant.store.embedded import start_kept
from currant.store.embedded.watcher import DATA
from tests.nodes import eventually, is_alive


class KeptServer:
    """A server whose data outlive it."""

    def __init__(self) -> None:
        # Not below pytest's own folder, which only its user can pass.
        self._base = Path(tempfile.mkdtemp(prefix="currant-soak-"))
        self._base.chmod(0o755)
        self._server = start_kept(self._base / "pg")
        self.url = self._server.url
        asyncio.run(migrate.migrate_at(self.url))

    def crash(self) -> None:
        """Ends the server as `pg_ctl stop -m immediate` does; returns when it is gone."""
        pid = int((self._base / "pg" / DATA / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGQUIT)
        eventually(lambda: not is_alive(pid))
        self._server.stop()

    def start(self) -> None:
        """Starts it again, at the same address."""
        self._server = start_kept(self._base / "pg")
        assert self._server.url == self.url

    def remove(self) -> None:
        self._server.stop()
        shutil.rmtree(self._base)
