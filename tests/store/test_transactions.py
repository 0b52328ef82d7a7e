"""Enqueues in the caller's own transaction: there with its commit, gone with its rollback."""

import asyncio
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row, namedtuple_row

from currant import ConfigurationError, PayloadTooLarge, SchemaError, enqueue_many, enqueue_many_sync, job
from tests.store.support import listening
from tests.support import in_loop


@job(name="tests.within", queue="q")
async def send(number: int = 0) -> None:
    pass


def count(connection: psycopg.Connection) -> int:
    row = connection.execute("SELECT count(*) FROM executions").fetchone()
    assert row is not None
    return int(row[0])


def calls(number: int) -> Any:
    return (send.call(each) for each in range(number))


KINDS: list[dict[str, Any]] = [
    {},
    {"row_factory": dict_row},
    {"row_factory": namedtuple_row, "prepare_threshold": None},
    {"row_factory": dict_row, "prepare_threshold": 0},
]


@pytest.mark.parametrize("options", KINDS)
@pytest.mark.parametrize("client_side", [False, True])
def test_a_commit_writes_and_wakes_a_rollback_leaves_nothing_sync(
    application: psycopg.Connection, url: str, options: dict[str, Any], client_side: bool
) -> None:
    factory = psycopg.ClientCursor if client_side else psycopg.Cursor
    with psycopg.connect(url, cursor_factory=factory, **options) as connection:
        within = send.options(connection=connection)
        for write in (within.queue_sync, lambda: enqueue_many_sync(calls(2500), connection=connection)):
            write()
            assert count(application) == 0
            connection.rollback()
            assert count(application) == 0
        handle = within.queue_sync(1)
        within.options(delay=60).queue_sync(2)
        connection.execute("SELECT 1 AS one")
        connection.commit()
        assert count(application) == 2
        assert application.execute("SELECT args FROM executions WHERE id = %s", (handle.id,)).fetchone() == ([1],)
        with connection.transaction():
            within.queue_sync()
            with connection.transaction(force_rollback=True):  # back to a savepoint
                within.queue_sync()
        assert count(application) == 3


@pytest.mark.parametrize("options", KINDS)
@pytest.mark.parametrize("client_side", [False, True])
def test_a_commit_writes_and_wakes_a_rollback_leaves_nothing_async(
    application: psycopg.Connection, url: str, options: dict[str, Any], client_side: bool
) -> None:
    factory = psycopg.AsyncClientCursor if client_side else psycopg.AsyncCursor

    async def test() -> None:
        async with await psycopg.AsyncConnection.connect(url, cursor_factory=factory, **options) as connection:
            within = send.options(connection=connection)
            await within.queue()
            await enqueue_many(calls(2500), connection=connection)
            assert count(application) == 0
            await connection.rollback()
            assert count(application) == 0
            await within.queue()
            await within.options(unique="k").queue()
            await connection.commit()
            assert count(application) == 2

    asyncio.run(test())


@in_loop
async def test_nodes_are_woken_by_the_commit_and_not_before(url: str) -> None:
    async with (
        listening(url, "q") as ears,
        await psycopg.AsyncConnection.connect(url) as connection,
        await psycopg.AsyncConnection.connect(url, autocommit=True) as asker,
    ):
        within = send.options(connection=connection)
        await within.queue()
        assert await ears.heard(asker) == set()
        await connection.rollback()
        assert await ears.heard(asker) == set()
        await within.queue()
        await connection.commit()
        assert await ears.heard(asker) == {"q"}


def test_in_autocommit_it_is_a_transaction_of_its_own(application: psycopg.Connection, url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        send.options(connection=connection).queue_sync()
        assert count(application) == 1

        def broken() -> Any:
            yield from calls(2500)
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            enqueue_many_sync(broken(), connection=connection)
        assert count(application) == 1
        enqueue_many_sync(calls(2500), connection=connection)
        assert count(application) == 2501
        with connection.transaction(force_rollback=True):
            send.options(connection=connection).queue_sync()
        assert count(application) == 2501


def test_a_connection_of_the_wrong_kind_is_told_what_to_use(application: psycopg.Connection, url: str) -> None:
    async def test() -> None:
        async with await psycopg.AsyncConnection.connect(url) as asynchronous:
            with psycopg.connect(url) as synchronous:
                with pytest.raises(ConfigurationError, match=r"synchronous one: use `\.queue_sync"):
                    await send.options(connection=synchronous).queue()
                with pytest.raises(ConfigurationError, match="asynchronous one: use `await"):
                    send.options(connection=asynchronous).queue_sync()
            for odd in (object(), "postgresql://…", SimpleNamespace(connection=None), SimpleNamespace(connection=odd_)):
                with pytest.raises(ConfigurationError, match=r"is of type .*SQLAlchemy's `await session.connection"):
                    await send.options(connection=odd).queue()  # type: ignore[arg-type]
                with pytest.raises(ConfigurationError, match=r"Django's `django.db.connection`"):
                    enqueue_many_sync([send.call()], connection=odd)  # type: ignore[arg-type]

    def odd_() -> None: ...

    asyncio.run(test())
    assert count(application) == 0


def test_what_frameworks_wrap_a_connection_in_is_taken(application: psycopg.Connection, url: str) -> None:
    """Shaped like SQLAlchemy 2's connections and Django's; neither is a dependency of the tests."""

    class Django:
        connection: psycopg.Connection | None = None

        def ensure_connection(self) -> None:
            self.connection = self.connection or synchronous

    async def test() -> None:
        async with await psycopg.AsyncConnection.connect(url) as asynchronous:
            fairy = SimpleNamespace(driver_connection=asynchronous, dbapi_connection=object())
            sqlalchemy = SimpleNamespace(sync_connection=SimpleNamespace(connection=fairy), connection=test)
            for each in (fairy, sqlalchemy):
                await send.options(connection=each).queue()  # type: ignore[arg-type]
            await asynchronous.commit()

    asyncio.run(test())
    assert count(application) == 2
    with psycopg.connect(url) as synchronous:
        fairy = SimpleNamespace(driver_connection=synchronous)
        for each in (fairy, SimpleNamespace(connection=fairy), Django()):
            send.options(connection=each).queue_sync()  # type: ignore[arg-type]
    assert count(application) == 5


def test_the_transactions_own_errors_pass_unchanged_but_a_missing_schema_says_what_to_run(
    application: psycopg.Connection, url: str
) -> None:
    with psycopg.connect(url) as connection:
        with pytest.raises(psycopg.errors.SyntaxError):
            connection.execute("SELEKT")
        with pytest.raises(psycopg.errors.InFailedSqlTransaction):
            send.options(connection=connection).queue_sync()
        connection.close()
        with pytest.raises(psycopg.OperationalError, match="closed"):
            send.options(connection=connection).queue_sync()
    with psycopg.connect(url) as connection:
        connection.execute("SET search_path = pg_catalog")
        with pytest.raises(SchemaError, match=r"postgres that the connection leads to .*currant migrate"):
            send.options(connection=connection).queue_sync()


def test_payloads_are_checked_and_text_is_told_from_other_encodings(application: psycopg.Connection, url: str) -> None:
    @job(name="tests.within.text")
    async def text(value: str) -> None:
        pass

    with psycopg.connect(url) as connection:
        with pytest.raises(PayloadTooLarge, match=r"tests\.within\.text: args and kwargs: \d+ bytes"):
            text.options(connection=connection).queue_sync("x" * (1 << 20))
        text.options(connection=connection).queue_sync("grün ☃")
        connection.commit()
        assert application.execute("SELECT args FROM executions").fetchall() == [(["grün ☃"],)]
        connection.execute("SET client_encoding = latin1")
        with pytest.raises(ConfigurationError, match="client_encoding is iso8859-1"):
            text.options(connection=connection).queue_sync("grün")


def test_without_an_address_the_callers_connection_is_enough(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import currant

    monkeypatch.delenv("CURRANT_DATABASE_URL", raising=False)
    currant.configure()
    with psycopg.connect(url) as connection:
        send.options(connection=connection).queue_sync()
        connection.commit()
        assert count(connection) == 1
