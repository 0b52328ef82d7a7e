"""The servers that the systems share: one Postgres, in which each gets fresh databases, and one Redis."""

import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from benchmarks.peers.errors import PeersError
from benchmarks.peers.processor import postmaster_cpu_s
from benchmarks.peers.redis_client import Redis, free_port
from currant.store.embedded import start_throwaway

REDIS_START_S = 10.0
#: The durable setting of Redis' documentation: at most a second is lost in a crash.
REDIS_OPTIONS = ["--appendonly", "yes", "--appendfsync", "everysec"]


class Place:
    """Where a system keeps its jobs in one measurement: an empty database, or an empty Redis."""

    def __init__(
        self, url: str, *, postgres: psycopg.Connection[Any] | None = None, redis: Redis | None = None
    ) -> None:
        self.url = url
        self._postgres, self._redis = postgres, redis

    @property
    def redis(self) -> Redis:
        assert self._redis
        return self._redis

    def number(self, query: str) -> int:
        """Returns the one number that the query gives in this database."""
        assert self._postgres
        row = self._postgres.execute(query.encode()).fetchone()
        return int(row[0] or 0) if row else 0

    def settle(self) -> None:
        """Has the server do now what it would do in between: the statistics, the checkpoint."""
        if self._postgres:
            self._postgres.execute("VACUUM ANALYZE")
            self._postgres.execute("CHECKPOINT")

    def cpu_s(self) -> float:
        """Returns the processor seconds of all of the server's processes; 0 if it is on another machine."""
        if self._redis:
            return self._redis.cpu_s()
        assert self._postgres
        return postmaster_cpu_s(self._postgres.info.backend_pid)

    def statements(self) -> int:
        """Returns how many transactions, or Redis' commands, there have been, less those that ask for this."""
        if self._redis:
            return self._redis.commands()
        return self.number(
            "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()"
        )


class Servers(NamedTuple):
    """Both, with what they are; `redis` is None where no system needs it."""

    postgres_url: str
    postgres_version: str
    redis: Redis | None

    @contextmanager
    def place(self, kind: str) -> Iterator[Place]:
        """Gives an empty database, or an empty Redis; the database is dropped at the end."""
        if kind == "redis":
            assert self.redis
            self.redis.ask("FLUSHALL")
            yield Place(self.redis.url, redis=self.redis)
            return
        name = f"peers_{secrets.token_hex(4)}"
        with psycopg.connect(self.postgres_url, autocommit=True) as admin:
            admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
            url = urlsplit(self.postgres_url)._replace(path=f"/{name}").geturl()
            try:
                with psycopg.connect(url, autocommit=True, application_name="peers") as observer:
                    # Looking must cost little: one process, no compilation.
                    observer.execute("SET max_parallel_workers_per_gather = 0; SET jit = off")
                    yield Place(url, postgres=observer)
            finally:
                admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@contextmanager
def servers(database_url: str | None, *, redis: bool) -> Iterator[Servers]:
    """Gives the user's Postgres or a throwaway one with the durable defaults, and a throwaway Redis where it is needed.

    Raises:
        PeersError: a server is missing, or refuses.
    """
    with ExitStack() as stack:
        url = database_url or stack.enter_context(start_throwaway()).url
        if not urlsplit(url).scheme.startswith("postgres"):
            raise PeersError(
                "--database-url must be an address of the form postgresql://…: Node's clients read no other"
            )
        try:
            with psycopg.connect(url) as connection:
                version = connection.info.parameter_status("server_version") or "unknown"
        except psycopg.Error as error:
            raise PeersError(f"Postgres does not answer: {' '.join(str(error).split())}") from None
        yield Servers(url, version, stack.enter_context(_redis()) if redis else None)


@contextmanager
def _redis() -> Iterator[Redis]:
    program = shutil.which("redis-server")
    if not program:
        raise PeersError(
            "redis-server is not installed: apt-get install redis-server, or leave out the systems on Redis"
        )
    with tempfile.TemporaryDirectory(prefix="peers-redis-") as folder:
        port = free_port()
        options = ["--port", str(port), "--bind", "127.0.0.1", "--dir", folder, *REDIS_OPTIONS]
        with (Path(folder) / "log").open("wb") as log:
            process = subprocess.Popen([program, *options], stdout=log, stderr=log, start_new_session=True)
        try:
            yield _connected(port, process, Path(folder) / "log")
        finally:
            process.terminate()
            process.wait()


def _connected(port: int, process: "subprocess.Popen[bytes]", log: Path) -> Redis:
    deadline = time.monotonic() + REDIS_START_S
    while True:
        try:
            redis = Redis(port)
            redis.ask("PING")
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise PeersError(f"redis-server did not start: {log.read_text()[-300:]}") from None
            time.sleep(0.05)
        else:
            return redis
