"""The application's connections: how many, for how long, and what becomes of them at a loss, a fork, an end."""

import asyncio
import multiprocessing
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg_pool import AsyncConnectionPool

import currant
import currant.client
from currant import ConfigurationError, DatabaseError, DatabaseUnreachable, SchemaError, enqueue_many, job
from currant.backends import installed
from currant.client import DatabaseBackend
from currant.store import migrate
from currant.store.embedded import start_kept, start_throwaway
from tests.nodes import eventually
from tests.store.support import new
from tests.support import in_loop


@job(name="tests.pooled")
async def pooled(number: int = 0) -> None:
    pass


@pytest.fixture
def url(url: str) -> str:
    """With a name by which the test's connections are known to the server."""
    return psycopg.conninfo.make_conninfo(url, application_name=f"tests_{secrets.token_hex(4)}")


def pids(connection: psycopg.Connection) -> set[int]:
    """The server's processes that serve the application, but for the connection that asks."""
    rows = connection.execute(
        "SELECT pid FROM pg_stat_activity"
        " WHERE application_name = current_setting('application_name') AND pid <> pg_backend_pid()"
    ).fetchall()
    return {pid for (pid,) in rows}


def count(connection: psycopg.Connection) -> int:
    row = connection.execute("SELECT count(*) FROM executions").fetchone()
    assert row is not None
    return int(row[0])


def backend(url: str, **options: float) -> DatabaseBackend:
    return DatabaseBackend(url, payload_bytes_max=1 << 20, **options)  # type: ignore[arg-type]


async def enqueue_until_full(used: DatabaseBackend, connection: psycopg.Connection, pool_size: int) -> int:
    """Enqueues until the pool, which grows by one at a time while callers wait, is at its size; returns how many."""
    count = 0
    while len(pids(connection)) < pool_size:
        # Several at a time have a statement of their own; of single ones, only few are under way.
        await asyncio.gather(*(used.enqueue([new(), new()]) for _ in range(50)))
        count += 100
        assert count < 100_000
    return count


def at_once(url: str, pool_size: int, calls: int) -> DatabaseBackend:
    used = backend(url, pool_size=pool_size)

    async def enqueue() -> None:
        await asyncio.gather(*(used.enqueue([new()]) for _ in range(calls)))
        await used.close()

    asyncio.run(enqueue())
    return used


def test_one_caller_needs_one_connection_and_a_crowd_no_more_than_the_pools_size(
    application: psycopg.Connection, url: str
) -> None:
    async def enqueue() -> None:
        used = backend(url, pool_size=10)
        await used.enqueue([new()])
        assert len(pids(application)) == 1
        await used.close()
        eventually(lambda: not pids(application))
        used = backend(url, pool_size=3)
        enqueued = await enqueue_until_full(used, application, 3)
        await asyncio.gather(*(used.enqueue([new()]) for _ in range(200)))
        assert len(pids(application)) == used.peak == 3
        await used.close()
        eventually(lambda: not pids(application))
        assert count(application) == enqueued + 201

    asyncio.run(enqueue())


def test_the_pools_size_comes_from_configure_or_the_environment(
    application: psycopg.Connection, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def enqueue(pool_size: int) -> int:
        await enqueue_until_full(currant.client.default(), application, pool_size)
        await asyncio.gather(*(pooled.queue(number) for number in range(50)))
        found = len(pids(application))
        await currant.aclose()
        return found

    monkeypatch.setenv("CURRANT_POOL_SIZE", "2")
    currant.configure()
    assert asyncio.run(enqueue(2)) == 2
    currant.configure(database_url=url, pool_size=4)
    assert asyncio.run(enqueue(4)) == 4
    with pytest.raises(ConfigurationError, match=r"^pool_size must be an integer from 1 to 1000, got 0"):
        currant.configure(pool_size=0)
    with pytest.raises(ConfigurationError, match="address cannot be read"):
        currant.configure(database_url="mysql:///x")
    assert asyncio.run(enqueue(4)) == 4  # a refused one changes nothing


def test_configure_moves_to_another_database_and_leaves_no_connection_behind(
    application: psycopg.Connection, url: str, empty_url: str
) -> None:
    async def enqueue() -> None:
        await pooled.queue()
        (old,) = pids(application)
        currant.configure(database_url=url, pool_size=1)
        await pooled.queue()
        while old in pids(application):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await currant.aclose()

    asyncio.run(enqueue())
    assert count(application) == 2


@in_loop
async def test_idle_connections_are_closed_and_made_again(url: str) -> None:
    used = backend(url, idle_s=0.1)
    with psycopg.connect(url, autocommit=True) as connection:
        await used.enqueue([new()])
        before = pids(connection)
        assert len(before) == 1
        while pids(connection):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        await used.enqueue([new()])
        assert len(pids(connection)) == 1
        assert pids(connection) != before
    await used.close()


@in_loop
async def test_terminated_connections_are_noticed_without_an_error_or_a_doubled_row(url: str) -> None:
    used = backend(url, pool_size=4)
    with psycopg.connect(url, autocommit=True) as connection:
        enqueued = 0
        for _ in range(3):
            enqueued += await enqueue_until_full(used, connection, 4)
            before = pids(connection)
            assert len(before) == 4
            for pid in before:
                connection.execute("SELECT pg_terminate_backend(%s)", (pid,))
            while pids(connection) & before:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await used.enqueue([new()])
        assert count(connection) == enqueued + 1
    await used.close()


@in_loop
async def test_connections_terminated_during_the_enqueues_lose_and_double_nothing(url: str) -> None:
    used = backend(url, pool_size=4)
    stop = threading.Event()

    def terminate() -> None:
        pause_s = 0.03
        with psycopg.connect(url, autocommit=True) as connection:
            while not stop.wait(pause_s):
                # Ever less often: a machine for which this is too often for any enqueue gets through all the same.
                pause_s *= 1.1
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE application_name = current_setting('application_name') AND query LIKE '%INSERT INTO%'"
                    " AND pid <> pg_backend_pid()"
                )

    thread = threading.Thread(target=terminate)
    thread.start()
    try:
        handles = []
        for _ in range(20):
            handles += await asyncio.gather(*(used.enqueue([new()]) for _ in range(50)))
            handles += [await used.enqueue([new()] * 20)]
    finally:
        stop.set()
        thread.join()
    ids = [each.id for batch in handles for each in batch]
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT id FROM executions").fetchall()
    assert len(ids) == len(set(ids)) == 1400
    assert {id for (id,) in rows} == set(ids)
    await used.close()


@in_loop
async def test_callers_that_are_cancelled_use_up_no_connection(url: str) -> None:
    used = backend(url, pool_size=3)
    for number in range(60):
        calls = [asyncio.ensure_future(used.enqueue([new()] * each)) for each in (1, 2, 1, 2, 2, 2)]
        await asyncio.sleep(number * 0.0002)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
    with psycopg.connect(url, autocommit=True) as connection:
        await enqueue_until_full(used, connection, 3)
        await asyncio.gather(*(used.enqueue([new()] * 2) for _ in range(50)))
        assert len(pids(connection)) == 3
        await used.close()
        eventually(lambda: not pids(connection))


def test_a_server_that_was_restarted_between_two_enqueues_is_no_error() -> None:
    base = Path(tempfile.mkdtemp(prefix="currant-restart-"))
    base.chmod(0o755)
    try:
        with start_kept(base / "pg") as server:
            asyncio.run(migrate.migrate_at(server.url))
            used = backend(server.url)

            async def enqueue() -> None:
                await asyncio.gather(*(used.enqueue([new()]) for _ in range(40)))
                server.stop()
                with pytest.raises(DatabaseUnreachable, match=r"No such file|refused"):
                    await used.enqueue([new()])
                with start_kept(base / "pg") as again:
                    assert again.url == server.url
                    await asyncio.gather(*(used.enqueue([new()]) for _ in range(40)))
                    await used.close()
                    with psycopg.connect(again.url) as connection:
                        assert count(connection) == 80

            asyncio.run(enqueue())
    finally:
        shutil.rmtree(base, ignore_errors=True)


def test_a_server_that_is_full_is_served_by_the_connections_that_there_are(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute("CREATE ROLE currant_crowded LOGIN CONNECTION LIMIT 2")
        try:
            admin.execute(f"GRANT ALL ON SCHEMA {schema_of(admin)} TO currant_crowded")
            admin.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA {schema_of(admin)} TO currant_crowded")
            crowded = psycopg.conninfo.make_conninfo(url, user="currant_crowded")
            assert at_once(crowded, pool_size=10, calls=100)
            assert count(admin) == 100
        finally:
            admin.execute("DROP OWNED BY currant_crowded")
            admin.execute("DROP ROLE currant_crowded")


def schema_of(connection: psycopg.Connection) -> str:
    row = connection.execute("SELECT current_schema()").fetchone()
    assert row is not None
    return str(row[0])


def test_several_loops_in_turn_each_keep_their_own_connection(application: psycopg.Connection, url: str) -> None:
    loops = [asyncio.new_event_loop() for _ in range(3)]
    used = backend(url)
    seen: list[frozenset[int]] = []
    for _ in range(3):
        for loop in loops:
            loop.run_until_complete(used.enqueue([new()]))
        seen.append(frozenset(pids(application)))
    assert len(set(seen)) == 1
    assert len(seen[0]) == 3
    for loop in loops:
        loop.run_until_complete(used.close())
        loop.close()
    eventually(lambda: not pids(application))


def test_a_loop_that_ended_takes_its_connections_along(application: psycopg.Connection) -> None:
    asyncio.run(_once())
    eventually(lambda: not pids(application))
    kept = asyncio.new_event_loop()
    kept.run_until_complete(_once())
    (old,) = pids(application)
    kept.close()
    asyncio.run(_once())  # which finds what is left
    eventually(lambda: old not in pids(application))


async def _once() -> None:
    await pooled.queue()


def test_threads_with_loops_of_their_own_enqueue_side_by_side(application: psycopg.Connection) -> None:
    async def enqueue() -> None:
        for _ in range(20):
            await asyncio.gather(*(pooled.queue() for _ in range(5)))

    threads = [threading.Thread(target=asyncio.run, args=(enqueue(),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert count(application) == 400


# What a forked process does


@pytest.fixture
def warm(application: psycopg.Connection) -> Iterator[psycopg.Connection]:
    """An application with connections in an event loop and in the background thread."""
    pooled.queue_sync()
    loop = asyncio.new_event_loop()
    loop.run_until_complete(_once())
    assert len(pids(application)) == 2
    yield application
    loop.close()


def forked(work: object) -> int:
    pid = os.fork()
    if not pid:
        try:
            work()  # type: ignore[operator]
            os._exit(0)
        except BaseException:
            import traceback

            traceback.print_exc()
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_forked_process_enqueues_and_leaves_the_parents_connections_alone(warm: psycopg.Connection) -> None:
    before = pids(warm)

    def work() -> None:
        pooled.queue_sync()
        asyncio.run(_once())
        currant.close()

    assert forked(work) == 0
    assert before <= pids(warm)
    pooled.queue_sync()
    assert before <= pids(warm)
    assert count(warm) == 5


def test_a_process_forked_within_a_running_loop_enqueues_too(warm: psycopg.Connection) -> None:
    async def fork() -> int:
        await pooled.queue()
        status = forked(lambda: asyncio.new_event_loop().run_until_complete(_once()))
        await pooled.queue()
        return status

    assert asyncio.run(fork()) == 0
    assert count(warm) == 5


def test_multiprocessing_children_enqueue(warm: psycopg.Connection) -> None:
    with multiprocessing.get_context("fork").Pool(3) as processes:
        ids = processes.map(_enqueue_in_child, range(30))
        # Not ended by SIGTERM, as the context does it: one that has just been forked may swallow what that raises.
        processes.close()
        processes.join()
    assert len(set(ids)) == 30
    assert count(warm) == 32
    pooled.queue_sync()


def _enqueue_in_child(number: int) -> str:
    return pooled.queue_sync(number).id


# The end


def script(text: str, url: str) -> "subprocess.CompletedProcess[str]":
    head = "import asyncio, currant\n@currant.job(name='tests.script')\nasync def f(x: int = 0): ...\n"
    return subprocess.run(
        [sys.executable, "-W", "always", "-c", head + textwrap.dedent(text)],
        env={**os.environ, "CURRANT_DATABASE_URL": url},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    "text",
    [
        "asyncio.run(f.queue())",
        "f.queue_sync()",
        "loop = asyncio.new_event_loop(); loop.run_until_complete(f.queue())\nloop.close()",
        "f.queue_sync(); asyncio.run(f.queue()); f.queue_sync(); currant.close(); f.queue_sync()",
        "async def main():\n    await f.queue(); await currant.aclose(); await f.queue(); await currant.aclose()\n"
        "asyncio.run(main())",
        "import os\nf.queue_sync()\nif not os.fork():\n    f.queue_sync()\nelse:\n    os.wait()",
        "import threading\nthreading.Thread(target=f.queue_sync).start()",
        "async def main():\n    asyncio.ensure_future(f.queue()); await asyncio.sleep(0.005)\nasyncio.run(main())",
    ],
)
def test_the_interpreters_exit_is_quick_and_silent(application: psycopg.Connection, url: str, text: str) -> None:
    began = time.monotonic()
    done = script(text, url)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert time.monotonic() - began < 30  # no hang: a thread that is not told ends with a timeout, or never
    eventually(lambda: not pids(application))


def test_a_thread_that_waits_for_a_result_does_not_hold_up_the_exit(application: psycopg.Connection, url: str) -> None:
    waiting = (
        "h = f.queue_sync()\nimport threading, time\nthreading.Thread(target=h.result_sync, daemon=True).start()\n"
    )
    done = script(waiting + "time.sleep(0.3)", url)
    assert done.returncode == 0
    assert "was never" not in done.stderr
    eventually(lambda: not pids(application))


# What is told of a database that cannot be used


def enqueue_at(url: str) -> None:
    async def enqueue() -> None:
        with installed(backend(url)):
            await enqueue_many([pooled.call()])

    asyncio.run(enqueue())


def test_an_unknown_host_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    # Not the resolver of the machine, which may take longer to say so than a connection may take.
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(DatabaseUnreachable, match=r"x at no-such-host\.invalid:5432: .*no-such-host"):
        enqueue_at("postgresql://u:secret@no-such-host.invalid:5432/x")


def refuses(url: str) -> bool:
    try:
        psycopg.connect(url).close()
    except psycopg.OperationalError:
        return True
    return False


def test_a_wrong_password_is_told_at_once_and_not_shown() -> None:
    with start_throwaway() as server:
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute("CREATE ROLE currant_known LOGIN PASSWORD 'right'")
            row = connection.execute("SHOW hba_file").fetchone()
            assert row is not None
            hba = row[0]
            with open(hba) as file:
                before = file.read()
            with open(hba, "w") as file:
                file.write("local all currant_known scram-sha-256\nhost all currant_known all scram-sha-256\n" + before)
            connection.execute("SELECT pg_reload_conf()")
        wrong = psycopg.conninfo.make_conninfo(server.url, user="currant_known", password="wrong-one")
        eventually(lambda: refuses(wrong))
        with pytest.raises(DatabaseError, match="password authentication failed for user") as caught:
            enqueue_at(wrong)
        assert "wrong-one" not in str(caught.value)
        assert type(caught.value) is DatabaseError


def test_a_missing_database_is_named(url: str) -> None:
    with pytest.raises(DatabaseError, match=r'database "no_such" does not exist'):
        enqueue_at(psycopg.conninfo.make_conninfo(url, dbname="no_such"))


@in_loop
async def test_after_a_failure_nothing_tries_again_in_the_background(url: str) -> None:
    used = backend(psycopg.conninfo.make_conninfo(url, dbname="no_such"))
    failed = await asyncio.gather(*(used.enqueue([new()] * 2) for _ in range(20)), return_exceptions=True)
    assert {type(each) for each in failed} == {DatabaseError}
    await used.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}


def test_an_application_that_logs_nothing_of_its_own_hears_of_a_failure_by_the_error_alone(url: str) -> None:
    done = script(
        "try:\n    f.queue_sync()\nexcept currant.DatabaseError as error:\n    print(error)\n",
        psycopg.conninfo.make_conninfo(url, dbname="no_such"),
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "does not exist" in done.stdout


@in_loop
async def test_the_warnings_of_an_applications_own_pool_stay(url: str, caplog: pytest.LogCaptureFixture) -> None:
    missing = psycopg.conninfo.make_conninfo(url, dbname="no_such")
    used = backend(missing)
    with pytest.raises(DatabaseError):
        await used.enqueue([new()])
    await used.close()
    assert not caplog.records
    async with AsyncConnectionPool(missing, min_size=1, open=False, name="the application's"):
        while not caplog.records:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert [each.levelname for each in caplog.records][:1] == ["WARNING"]
    assert "the application's" in caplog.records[0].getMessage()


def test_a_missing_schema_says_what_to_run(empty_url: str) -> None:
    with pytest.raises(SchemaError, match="currant migrate"):
        enqueue_at(empty_url)


def test_an_old_schema_says_what_to_run(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER TABLE executions DROP COLUMN unique_until")

    async def enqueue() -> None:
        with installed(backend(url)):
            await pooled.options(unique="k").queue()

    with pytest.raises(SchemaError, match=r"older than this Currant: run `currant migrate`"):
        asyncio.run(enqueue())
