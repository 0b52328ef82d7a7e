"""Servers of a test's own, which it stops, fills and forbids to write; and what a node's log says of them."""

import asyncio
import os
import shutil
import signal
import tempfile
from pathlib import Path

import psycopg

from currant.store import migrate
from currant.store.embedded import start_kept
from currant.store.embedded.watcher import DATA
from currant.supervisor.events import Event
from tests.nodes import Node


class Server:
    """A server on a folder of its own, with the schema: it can be stopped and started again."""

    def __init__(self, folder: Path | None = None) -> None:
        # Not below pytest's own folder, which only its user can pass.
        self._base = folder or Path(tempfile.mkdtemp(prefix="currant-fault-"))
        self._base.chmod(0o755)
        self._folder = self._base / "pg"
        self._server = start_kept(self._folder)
        self.url = self._server.url
        asyncio.run(migrate.migrate_at(self.url))

    def end_at_once(self) -> None:
        """As `pg_ctl -m immediate`: every connection ends, nothing is written any more."""
        os.kill(int((self._folder / DATA / "postmaster.pid").read_text().split()[0]), signal.SIGQUIT)

    def start(self) -> None:
        """Starts again, after whatever end."""
        self._server.stop()
        self._server = start_kept(self._folder)
        assert self._server.url == self.url

    def stop(self) -> None:
        """Ends in good order."""
        self._server.stop()

    def admin(self, statement: str) -> None:
        """Runs a statement, also on a server that is to take no writes."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("SET default_transaction_read_only = off")
            connection.execute(statement.encode())

    def close(self) -> None:
        self._server.stop()
        shutil.rmtree(self._base, ignore_errors=True)


def count(node: Node, event: Event) -> int:
    """Counts the log lines of an event."""
    return len(node.told(event))
