"""A database for the tests: CURRANT_DATABASE_URL, in schemas of their own, or else a throwaway Postgres."""

import asyncio
import os
import secrets
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import hypothesis
import psycopg
import pytest
from hypothesis import HealthCheck
from psycopg import sql

from currant.store import connections, migrate
from currant.store.embedded import start_throwaway
from currant.store.scratch import Scratch, scratch_database, within
from tests.nodes import World

pytest_plugins = ["tests.faults.plugin"]

# A shell starts what runs in its background with SIGINT ignored, and the processes of the tests would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


# The machine may stall within an example, or while one is made: how long that takes says nothing of ours. And one run
# of the suite is to say the same as the next: `--hypothesis-profile=search` tries other examples each time.
_PATIENT = hypothesis.settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis.settings.register_profile("search", _PATIENT)
hypothesis.settings.register_profile("tests", _PATIENT, derandomize=True)
hypothesis.settings.load_profile("tests")


@pytest.fixture(scope="session")
def server() -> Iterator[Scratch]:
    """The server of the whole run."""
    with scratch_database(os.environ.get("CURRANT_DATABASE_URL"), "tests") as scratch:
        yield scratch


@pytest.fixture(scope="session")
def pg15() -> Iterator[Scratch]:
    """A throwaway PostgreSQL 15, where the system has its programs; it counts statements where it can."""
    programs = Path("/usr/lib/postgresql/15/bin")
    if not (programs / "postgres").exists():
        pytest.skip(f"there is no PostgreSQL 15 in {programs}")
    library = programs.with_name("lib") / "pg_stat_statements.so"
    settings = {"shared_preload_libraries": library.stem} if library.exists() else {}
    with start_throwaway(settings=settings, programs=programs) as server:
        yield Scratch(server.url, "PostgreSQL 15")


@pytest.fixture(params=["server", "pg15"])
def each_server(request: pytest.FixtureRequest) -> Scratch:
    """The server of the run, and PostgreSQL 15: for what must work on both."""
    found: Scratch = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def empty_url(server: Scratch) -> Iterator[str]:
    """The address of an empty schema."""
    with empty_schema(server) as url:
        yield url


@contextmanager
def empty_schema(server: Scratch) -> Iterator[str]:
    schema = f"currant_test_{secrets.token_hex(4)}"
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
        yield within(server.url, schema)
        _drop(connection, schema)


def _drop(connection: psycopg.Connection, schema: str) -> None:
    drop = sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(schema))
    for _ in range(5):
        # The last statement of a node that was killed goes on in its server process, and takes locks in another order.
        with suppress(psycopg.errors.DeadlockDetected):
            connection.execute(drop)
            return
    connection.execute(drop)


@pytest.fixture
def url(empty_url: str) -> str:
    """The address of a schema of the newest version, without rows."""
    asyncio.run(migrate.migrate_at(empty_url))
    return empty_url


@pytest.fixture
def world(url: str, tmp_path: Path) -> Iterator[World]:
    """A database, a ledger, and nodes that end with the test."""
    world = World(url, tmp_path)
    yield world
    world.close()


def pytest_report_header() -> str:
    url = os.environ.get("CURRANT_DATABASE_URL")
    if url is None:
        return "database: no CURRANT_DATABASE_URL is set: a throwaway Postgres of the tests' own"
    return f"database: schemas of the tests' own in {connections.describe(url)}"
