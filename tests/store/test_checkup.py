"""What doctor's statements find in a real database, seen by roles with and without rights."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

import psycopg
import pytest

from currant.store import checkup, migrate
from currant.store.checkup import Sessions
from currant.store.connections import Connection
from currant.store.grants import Kind, Right, grant_at, rights
from currant.store.scratch import Scratch
from tests.conftest import empty_schema
from tests.roles import temporary_role
from tests.store.support import connected
from tests.support import in_loop

T = TypeVar("T")


@pytest.fixture
def empty_url(each_server: Scratch) -> Iterator[str]:
    """Everything here is to work on both servers."""
    with empty_schema(each_server) as url:
        yield url


def asked(url: str, look: Callable[[Connection], Awaitable[T]]) -> T:
    async def ask() -> T:
        async with connected(url, hot=False) as connection:
            return await look(connection)

    return asyncio.run(ask())


def test_the_server_says_who_we_are_and_where_the_tables_are(empty_url: str) -> None:
    before = asked(empty_url, checkup.server)
    assert (before.place, before.owner, before.standby) == (None, None, False)
    asyncio.run(migrate.migrate_at(empty_url))
    after = asked(empty_url, checkup.server)
    assert after.place is not None
    assert after.place not in after.elsewhere
    assert after.owner
    assert after.number >= 150_000
    with temporary_role(empty_url) as role:
        outside = asked(role.url, checkup.server)
        # The schema is not the role's to use, so its search path does not lead there.
        assert (outside.account, outside.place, outside.sees_all) == (role.name, None, False)
        assert after.place in outside.elsewhere or len(outside.elsewhere) == 10


def test_the_rights_that_a_role_lacks_are_found_until_they_are_granted(url: str) -> None:
    needed = rights(Kind.NODE)
    assert asked(url, lambda connection: checkup.missing_rights(connection, needed)) == []
    with temporary_role(url) as role:
        asyncio.run(grant_at(url, role.name, Kind.CLIENT, dry=False))
        missing = asked(role.url, lambda connection: checkup.missing_rights(connection, needed))
        assert Right("DELETE", "executions", None) in missing
        assert Right("SELECT", "schema_migrations", None) not in missing
        assert Right("UPDATE", "dead_letter_queue", "failed_at") in missing
        asyncio.run(grant_at(url, role.name, Kind.NODE, dry=False))
        assert asked(role.url, lambda connection: checkup.missing_rights(connection, needed)) == []


def test_a_role_without_rights_can_ask_all_that_concerns_the_server(url: str) -> None:
    with temporary_role(url) as role:

        async def look(connection: Connection) -> None:
            assert (await checkup.settings(connection, ["fsync", "no_such_setting"])).keys() == {"fsync"}
            found = await checkup.connections(connection)
            assert found.most > 0
            assert found.own >= 1
            assert found.most_own is None
            await checkup.holders(connection, age_s=0.0, transactions=1)

        asked(role.url, look)


@in_loop
async def test_a_transaction_that_holds_back_vacuum_is_found_with_its_pid(url: str) -> None:
    async with connected(url, hot=False) as holder, connected(url, hot=False) as connection:
        await holder.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        ((pid,),) = await (await holder.execute("SELECT pg_backend_pid()")).fetchall()
        found = await checkup.holders(connection, age_s=0.0, transactions=1)
        (its,) = [each for each in found if each.name == str(pid)]
        assert (its.kind, its.program, its.state) == ("session", "currant tests", "idle in transaction")
        await holder.execute("ROLLBACK")
        assert not [
            each for each in await checkup.holders(connection, age_s=3600.0, transactions=1) if each.name == str(pid)
        ]


def test_a_server_without_a_pooler_keeps_sessions_and_delivers(url: str) -> None:
    assert asyncio.run(checkup.sessions(url)) == Sessions(pooled=False, shared=False, heard=True)


def test_nodes_letters_and_vacuum_are_counted(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO worker_heartbeats (worker_id, queues, status, last_heartbeat) VALUES"
            " ('a', '{q}', 'running', now()), ('b', '{q}', 'running', now() - interval '1 hour'),"
            " ('c', '{q}', 'stopped', now())"
        )
        connection.execute(
            "INSERT INTO dead_letter_queue (id, execution_id, execution_data, failure_reason, failed_at)"
            " VALUES ('1', '1', '{}', 'x', now()), ('2', '2', '{}', 'x', now() - interval '2 days')"
        )
        connection.execute("ALTER TABLE executions SET (autovacuum_enabled = false)")
    ages = asked(url, checkup.nodes)
    assert list(ages) == ["a", "b"]
    assert ages["b"] > 3590
    assert asked(url, lambda each: checkup.letters(each, recent_s=86_400.0)) == (2, 1, False)
    vacuum = asked(url, checkup.vacuum)
    assert vacuum.disabled
    assert vacuum.transactions >= 0
