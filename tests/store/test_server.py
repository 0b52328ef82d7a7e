"""What the bench reads of the server: counters, processes, settings, sizes."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from unittest.mock import AsyncMock

import pytest
from psycopg import conninfo

import currant
from currant import proc
from currant.bench import machine
from currant.bench.server import Server, find_postmaster, is_same_machine
from currant.store import server_queries
from currant.store.scratch import Scratch
from tests.conftest import empty_schema
from tests.store.support import connected
from tests.support import comes_true, in_loop

#: About 3 MB of log.
WRITE = "CREATE TABLE busy AS SELECT g, repeat('x', 100) FROM generate_series(1, 20000) AS g"
BUSY = "SELECT sum(g) FROM generate_series(1, 3000000) AS g"
users_own = pytest.mark.skipif("CURRANT_DATABASE_URL" in os.environ, reason="the user's server may be anywhere")


@in_loop
async def test_the_log_and_the_transactions_grow_by_what_is_done(each_server: Scratch) -> None:
    with empty_schema(each_server) as url:
        server = await Server.open(url)
        async with connected(url) as connection:
            await connection.execute(WRITE)
        after = await server.mark()
        assert after.wal_bytes is not None
        assert server.baseline.wal_bytes is not None
        assert after.wal_bytes - server.baseline.wal_bytes > 2_000_000
        for _ in range(2):
            after = await server.mark()
        assert after.transactions is not None
        assert server.baseline.transactions is not None
        assert after.transactions >= server.baseline.transactions
        await server.close()


@users_own
@in_loop
async def test_the_servers_processes_are_found_and_one_that_has_ended_keeps_its_cpu(each_server: Scratch) -> None:
    server = await Server.open(each_server.url)
    assert server.postmaster is not None
    assert proc.name(server.postmaster) == "postgres"
    async with connected(each_server.url) as connection:
        assert is_same_machine(connection)
        await connection.execute(BUSY)
        busy = await server.mark()
        backend = connection.info.backend_pid
    await comes_true(lambda: proc.stat(backend) is None)
    ended = await server.mark()
    assert busy.cpu_s is not None
    assert ended.cpu_s is not None
    assert server.baseline.cpu_s is not None
    assert busy.cpu_s > server.baseline.cpu_s
    # What has ended is told in hundredths.
    assert ended.cpu_s > busy.cpu_s - 0.1
    await server.close()


@asynccontextmanager
async def over_tcp(url: str) -> AsyncIterator[str]:
    """The address of the server over TCP, which the throwaway one does not offer itself."""
    socket = f"{conninfo.conninfo_to_dict(url)['host']}/.s.PGSQL.5432"

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            writer.write(data)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, on = await asyncio.open_unix_connection(socket)
        await asyncio.gather(carry(reader, on), carry(back, writer))

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        yield conninfo.make_conninfo(url, host="127.0.0.1", port=port)


@users_own
@in_loop
async def test_over_tcp_the_server_is_known_by_its_age(server: Scratch) -> None:
    async with connected(server.url) as near, over_tcp(server.url) as url, connected(url) as far:
        assert is_same_machine(far)
        found = await find_postmaster(far)
        assert found is not None
        assert found == await find_postmaster(near)
        true = await server_queries.identity(far)
        # In a container of its own: the same pid is somebody else's here, even if that is a Postgres too.
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(server_queries, "identity", AsyncMock(return_value=true._replace(running_s=1e6)))
            assert await find_postmaster(far) is None
            patch.setattr(server_queries, "identity", AsyncMock(return_value=true._replace(backend=os.getpid())))
            assert await find_postmaster(far) is None


@in_loop
async def test_a_lost_connection_leaves_the_server_unread(server: Scratch) -> None:
    probe = await Server.open(server.url)
    async with connected(server.url) as connection:
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'currant:bench-probe'"
        )
    mark = await probe.mark()
    assert (mark.wal_bytes, mark.transactions) == (None, None)
    await probe.close()


@in_loop
async def test_the_environment_says_what_matters_and_nothing_of_whose_it_is(server: Scratch) -> None:
    async with connected(server.url) as connection:
        found = await machine.environment(connection, "throwaway")
    assert found.postgres_settings["fsync"] == "on"
    assert found.postgres_settings["synchronous_commit"] == "on"
    assert int(found.postgres.split(".")[0]) >= 15
    assert found.cores >= 1
    assert found.memory_bytes > 1 << 26
    assert found.packages["psycopg"]
    assert not {"data_directory", "config_file", "listen_addresses"} & found.postgres_settings.keys()
    assert os.uname().nodename not in (found.os, found.cpu)


def test_the_commit_is_that_of_the_checkout_that_knows_the_files(tmp_path: Path) -> None:
    (tmp_path / "__init__.py").touch()
    assert machine.commit(tmp_path) is None
    assert machine.commit(tmp_path / "nowhere") is None
    found = machine.commit(Path(currant.__file__).parent)
    assert found is None or len(found.rstrip("+")) == 40


@in_loop
async def test_the_sizes_are_the_tables_and_its_indexes(url: str) -> None:
    async with connected(url) as connection:
        sizes = await server_queries.sizes(connection)
    assert next(iter(sizes)) == "executions"
    assert {"executions_pkey", "executions_ready"} < sizes.keys()
    assert all(size >= 0 for size in sizes.values())
