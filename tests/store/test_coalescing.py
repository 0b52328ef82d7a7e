"""Many callers at once: who shares a statement, and that no one is harmed by another's trouble."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import psycopg
import pytest

from currant import DatabaseError, DatabaseUnreachable, NotJSON, PayloadTooLarge, enqueue_many, enqueue_many_sync, job
from currant.backends import Enqueued, NewExecution
from currant.client import DatabaseBackend, insert, writer
from currant.errors import RowLocked, StatementRefused
from currant.jobs import Call
from tests.store.cutter import Cutter
from tests.store.support import new
from tests.support import HANGS_S, in_loop


@job(name="tests.many")
async def many_job(number: int = 0) -> None:
    pass


@asynccontextmanager
async def client_of(url: str, pool_size: int = 2) -> AsyncIterator[DatabaseBackend]:
    used = DatabaseBackend(url, payload_bytes_max=1 << 20, pool_size=pool_size)
    try:
        yield used
    finally:
        await used.close()


@pytest.fixture
def rows(url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


def ids_of(connection: psycopg.Connection) -> set[str]:
    return {id for (id,) in connection.execute("SELECT id FROM executions").fetchall()}


def transactions(connection: psycopg.Connection) -> list[int]:
    """How many rows each transaction wrote."""
    found = connection.execute("SELECT count(*) FROM executions GROUP BY xmin::text ORDER BY 1").fetchall()
    return [int(number) for (number,) in found]


async def all_of(used: DatabaseBackend, *executions: NewExecution) -> list[Enqueued | BaseException]:
    """Enqueues each by a caller of its own, at once."""
    done = await asyncio.gather(*(used.enqueue([each]) for each in executions), return_exceptions=True)
    return [each if isinstance(each, BaseException) else each[0] for each in done]


@in_loop
async def test_of_single_enqueues_few_statements_are_under_way_whatever_the_pools_size(url: str) -> None:
    async with client_of(url, pool_size=20) as used:
        for _ in range(20):
            await all_of(used, *(new() for _ in range(100)))
        assert 1 < used.peak <= 3


@in_loop
async def test_calls_that_find_all_connections_busy_go_together_and_a_single_one_goes_alone(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as rows:
        async with client_of(url) as used:
            done = await all_of(used, *(new() for _ in range(500)))
            assert {each.id for each in done if isinstance(each, Enqueued)} == ids_of(rows)
            assert len(ids_of(rows)) == 500
            sizes = transactions(rows)
            # The first two go alone at once, each on its connection; the rest waits for them.
            assert sizes[:2] == [1, 1]
            assert len(sizes) <= 4


@in_loop
async def test_a_statement_is_bounded_in_rows_and_bytes(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as rows:
        async with client_of(url) as used:
            await all_of(used, *(new() for _ in range(2600)))
            assert max(transactions(rows)) == 1000
            rows.execute("DELETE FROM executions")
            large = b'["' + b"x" * (1 << 19) + b'"]'
            await all_of(used, *(new(args=large) for _ in range(30)))
            assert max(transactions(rows)) == 8


@in_loop
async def test_only_the_caller_of_a_refused_row_gets_the_error(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as rows:
        rows.execute("ALTER TABLE executions ADD CHECK (function_name <> 'app.bad')")
        async with client_of(url) as used:
            wanted = [new(function="app.bad" if number in (40, 41, 99) else "app.good") for number in range(100)]
            done = await all_of(used, *wanted)
            assert [index for index, each in enumerate(done) if isinstance(each, StatementRefused)] == [40, 41, 99]
            assert {each.id for each in done if isinstance(each, Enqueued)} == ids_of(rows)
            assert len(ids_of(rows)) == 97


@in_loop
async def test_a_cancelled_caller_does_not_harm_those_who_share_its_statement(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as rows:
        async with client_of(url) as used:
            for pause_s in (0.0, 0.001, 0.003):
                callers = [asyncio.ensure_future(used.enqueue([new()])) for _ in range(60)]
                await asyncio.sleep(pause_s)
                for caller in callers[::2]:
                    caller.cancel()
                done = await asyncio.gather(*callers, return_exceptions=True)
                assert all(not isinstance(each, BaseException) for each in done[1::2])
                found = ids_of(rows)
                assert {each[0].id for each in done[1::2] if not isinstance(each, BaseException)} <= found
            assert (await used.enqueue([new()]))[0].id in ids_of(rows)


@in_loop
async def test_all_of_an_enqueue_many_or_none(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as rows:
        rows.execute("ALTER TABLE executions ADD CHECK (function_name <> 'app.bad')")
        async with client_of(url) as used:
            for last in (new(function="app.bad"), new(args=b'["' + b"x" * (1 << 20) + b'"]')):
                for executions in ([*[new()] * 2500, last], iter([*[new()] * 2500, last])):
                    with pytest.raises((StatementRefused, PayloadTooLarge)):
                        await used.enqueue(executions)
            assert ids_of(rows) == set()
            for executions in ([new()] * 2500, iter([new()] * 2500), [new()] * 2, iter([new()]), iter([])):
                await used.enqueue(executions)
            assert transactions(rows) == [1, 2, 2500, 2500]


@in_loop
async def test_an_error_of_the_generator_is_its_own_and_nothing_is_written(url: str) -> None:
    def broken() -> Iterator[NewExecution]:
        for _ in range(2500):
            yield new()
        raise psycopg.OperationalError("the generator's own")

    with psycopg.connect(url, autocommit=True) as rows:
        async with client_of(url) as used:
            with pytest.raises(psycopg.OperationalError, match="the generator's own"):
                await used.enqueue(broken())
            assert ids_of(rows) == set()
            await used.enqueue([new()])


@in_loop
async def test_a_generator_is_written_while_it_goes_on_and_is_never_whole_in_memory(url: str) -> None:
    ahead: list[int] = []
    with psycopg.connect(url, autocommit=True) as rows:

        def calls() -> Iterator[NewExecution]:
            for number in range(6000):
                if number == 4500:
                    ahead.append(written(rows))
                yield new()

        async with client_of(url) as used:
            assert len(await used.enqueue(calls())) == 6000
    assert ahead[0] > 0


def written(connection: psycopg.Connection) -> int:
    """How many bytes the table has, also of what is not committed."""
    row = connection.execute("SELECT pg_relation_size('executions')").fetchone()
    assert row is not None
    return int(row[0])


def kill_others(connection: psycopg.Connection, when: str) -> None:
    connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        f" WHERE pid <> pg_backend_pid() AND datname = current_database() AND {when}"
    )


@pytest.mark.parametrize("kind", ["list", "generator"])
def test_a_connection_lost_amid_the_batches(url: str, kind: str) -> None:
    """A list is written once more, all of it once; a generator, which is used up, says that nothing was written."""
    url = psycopg.conninfo.make_conninfo(url, application_name="tests_amid")
    lost = False

    def calls() -> Iterator[NewExecution]:
        nonlocal lost
        for number in range(3500):
            if number == 3200 and not lost:
                lost = True
                kill_others(rows, "application_name = 'tests_amid' AND state <> 'idle'")
            yield new()

    async def enqueue() -> None:
        async with client_of(url) as used:
            if kind == "generator":
                with pytest.raises(DatabaseUnreachable, match="nothing was written"):
                    await used.enqueue(calls())
            else:
                killer = asyncio.ensure_future(kill_in_the_middle())
                assert len(await used.enqueue([new()] * 60_000)) == 60_000
                await killer

    async def kill_in_the_middle() -> None:
        while not await asyncio.to_thread(written, rows):  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        await asyncio.to_thread(kill_others, rows, "application_name = 'tests_amid'")

    with psycopg.connect(url, autocommit=True) as rows:
        rows.execute("SET application_name = 'the test'")
        asyncio.run(enqueue())
        assert len(ids_of(rows)) == (0 if kind == "generator" else 60_000)


@pytest.mark.parametrize("executed", [True, False])
@pytest.mark.parametrize("kind", ["list", "generator"])
def test_a_connection_lost_at_the_commit_is_found_out(url: str, executed: bool, kind: str) -> None:
    """The server says what became of the transaction: no row twice, none missing; a generator cannot be repeated."""

    async def enqueue() -> set[str]:
        async with Cutter(url) as cutter, client_of(cutter.url) as used:
            executions = [new()] * 1500
            cutter.cut(b"COMMIT", executed=executed)
            if (kind, executed) == ("generator", False):
                with pytest.raises(DatabaseUnreachable, match="nothing was written"):
                    await used.enqueue(iter(executions))
                return set()
            done = await used.enqueue(executions if kind == "list" else iter(executions))
            assert cutter.cuts == 1
            return {each.id for each in done}

    ids = asyncio.run(enqueue())
    with psycopg.connect(url) as rows:
        assert ids_of(rows) == ids
    assert len(ids) == (0 if (kind, executed) == ("generator", False) else 1500)


@pytest.mark.parametrize("executed", [True, False])
@pytest.mark.parametrize("together", [1, 50])
def test_a_connection_lost_around_a_statement_loses_and_doubles_nothing(
    url: str, executed: bool, together: int
) -> None:
    async def enqueue() -> list[Enqueued | BaseException]:
        async with Cutter(url) as cutter, client_of(cutter.url, pool_size=1) as used:
            await used.enqueue([new()])
            cutter.cut(b"tests.cut", executed=executed)
            done = await all_of(used, *(new(function="tests.cut") for _ in range(together)))
            assert cutter.cuts == 1
            return done

    ids = {each.id for each in asyncio.run(enqueue()) if isinstance(each, Enqueued)}
    assert len(ids) == together
    with psycopg.connect(url) as rows:
        found = rows.execute("SELECT id FROM executions WHERE function_name = 'tests.cut'").fetchall()
    assert {id for (id,) in found} == ids


def test_a_generators_code_runs_in_the_thread_of_its_caller_and_may_enqueue(application: psycopg.Connection) -> None:
    threads = set()

    def calls() -> Iterator[Call]:
        for number in range(2100):
            threads.add(threading.current_thread())
            if number in (0, 2000):
                many_job.queue_sync(-1)
            yield many_job.call(number)

    assert len(enqueue_many_sync(calls())) == 2100
    assert threads == {threading.current_thread()}
    assert len(ids_of(application)) == 2102


def test_a_call_that_cannot_be_encoded_ends_the_whole(application: psycopg.Connection) -> None:
    def calls() -> Iterator[Call]:
        for number in range(1500):
            yield many_job.call(number)
        yield many_job.call(object())  # type: ignore[arg-type]

    with pytest.raises(NotJSON):
        asyncio.run(enqueue_many(calls()))
    with pytest.raises(NotJSON):
        enqueue_many_sync(calls())
    assert ids_of(application) == set()


@in_loop
async def test_a_key_that_an_open_transaction_holds_holds_up_nobody_else(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Longer than the others take: those that wait for the key must not give up before.
    monkeypatch.setattr(insert, "INSIST_S", HANGS_S)
    monkeypatch.setattr(writer, "INSIST_S", HANGS_S)
    async with client_of(url, pool_size=2) as used, await psycopg.AsyncConnection.connect(url) as other:
        held = new()
        held.unique_key = "held"
        await other.execute(
            "INSERT INTO executions (id, type, function_name, queue, status, unique_key)"
            " VALUES ('job_other', 'job', 'app.f', 'q', 'pending', 'held')"
        )
        blocked = [asyncio.ensure_future(used.enqueue([held])) for _ in range(3)]
        keyed = []
        for number in range(20):
            keyed.append(new())
            keyed[-1].unique_key = f"free {number}"
        plain = await all_of(used, *(new() for _ in range(200)))
        free = await all_of(used, *keyed)
        assert all(isinstance(each, Enqueued) for each in plain + free)
        assert not any(each.done() for each in blocked)
        await other.commit()
        for each in await asyncio.gather(*blocked):
            assert each == [Enqueued("job_other", False)]


@in_loop
async def test_a_key_held_for_too_long_is_told(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(insert, "INSIST_S", 1.5)
    monkeypatch.setattr(writer, "INSIST_S", 1.5)
    async with client_of(url) as used, await psycopg.AsyncConnection.connect(url) as other:
        held = new()
        held.unique_key = "held"
        await other.execute(
            "INSERT INTO executions (id, type, function_name, queue, status, unique_key)"
            " VALUES ('job_other', 'job', 'app.f', 'q', 'pending', 'held')"
        )
        (told,) = await all_of(used, held)
        assert isinstance(told, RowLocked | DatabaseError)
        assert "enqueued the same unique key" in str(told)
