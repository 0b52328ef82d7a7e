"""Enqueueing as an application does it: `@job`, `.queue()`, `enqueue_many`, against a real database."""

import asyncio

import psycopg
import pytest

import currant
from currant import (
    ConfigurationError,
    DatabaseError,
    DatabaseUnreachable,
    NotJSON,
    PayloadTooLarge,
    SchemaError,
    enqueue_many,
    job,
)
from currant.client import DatabaseBackend


@job(queue="letters", retries=1, timeout=2.5, priority=7, name="tests.send")
async def send(to: str, *, copies: int = 1) -> str:
    return f"{copies} to {to}"


def _rows(connection: psycopg.Connection, columns: str) -> list[tuple[object, ...]]:
    return connection.execute(f"SELECT {columns} FROM executions ORDER BY id").fetchall()


def test_a_queued_call_is_a_row_with_the_jobs_options(application: psycopg.Connection) -> None:
    handle = asyncio.run(send.queue("ada", copies=2))
    columns = "id, function_name, queue, status, priority, args, kwargs, max_retries, timeout_seconds, options, attempt"
    assert _rows(application, columns) == [
        (handle.id, "tests.send", "letters", "pending", 7, ["ada"], {"copies": 2}, 1, 3, {"timeout": 2.5}, 0)
    ]


def test_options_change_one_call_and_leave_the_job_as_it_was(application: psycopg.Connection) -> None:
    async def enqueue() -> None:
        await send.options(queue="urgent", retries=0, timeout=4, priority=-1).queue("ada")
        await send.queue("bob")

    asyncio.run(enqueue())
    assert _rows(application, "queue, max_retries, timeout_seconds, options, priority") == [
        ("urgent", 0, 4, {}, -1),
        ("letters", 1, 3, {"timeout": 2.5}, 7),
    ]


def test_thousands_are_enqueued_in_one_transaction_in_their_order(application: psycopg.Connection) -> None:
    async def enqueue() -> list[str]:
        return [handle.id for handle in await enqueue_many([send.call(str(number)) for number in range(5000)])]

    ids = asyncio.run(enqueue())
    assert _rows(application, "id, args") == [(id, [str(number)]) for number, id in enumerate(ids)]
    assert len(set(_rows(application, "xmin::text, created_at"))) == 1


def test_many_at_once_share_a_pool(application: psycopg.Connection) -> None:
    async def enqueue() -> None:
        await asyncio.gather(*(send.queue(str(number)) for number in range(200)))

    asyncio.run(enqueue())
    asyncio.run(enqueue())  # another event loop gets a pool of its own
    assert len(_rows(application, "id")) == 400


def test_enqueueing_nothing_is_nothing(application: psycopg.Connection) -> None:
    assert asyncio.run(enqueue_many([])) == []


def test_arguments_that_cannot_be_stored_are_refused_by_name_and_nothing_is_written(
    application: psycopg.Connection,
) -> None:
    with pytest.raises(NotJSON, match=r"tests\.send: argument `to\['when'\]` is of type object, which is not JSON"):
        asyncio.run(send.queue({"when": object()}))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"tests\.send\(to: str, \*, copies: int = 1\) -> str: missing"):
        asyncio.run(send.queue())  # type: ignore[call-arg]
    with pytest.raises(PayloadTooLarge, match=r"tests\.send: args and kwargs: \d+ bytes"):
        asyncio.run(enqueue_many([send.call("fits"), send.call("x" * (1 << 20))]))
    assert _rows(application, "id") == []


def test_the_direct_call_runs_at_once_and_needs_no_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CURRANT_DATABASE_URL", raising=False)

    async def call() -> str:
        return await send("ada", copies=3)

    assert asyncio.run(call()) == "3 to ada"


def test_without_a_database_the_error_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CURRANT_DATABASE_URL", raising=False)
    currant.configure()
    with pytest.raises(ConfigurationError, match="CURRANT_DATABASE_URL is not set"):
        asyncio.run(send.queue("ada"))


def _enqueue_at(url: str) -> None:
    async def enqueue() -> None:
        backend = DatabaseBackend(url, payload_bytes_max=1 << 20)
        call = send.call("ada")
        try:
            await backend.enqueue([call.execution])
        finally:
            await backend.close()

    asyncio.run(enqueue())


def test_a_database_without_the_schema_says_what_to_run(empty_url: str) -> None:
    with pytest.raises(SchemaError, match="currant migrate"):
        _enqueue_at(empty_url)


def test_a_database_that_is_away_or_refuses_is_told_apart_at_once(url: str) -> None:
    with pytest.raises(DatabaseUnreachable, match=r"127\.0\.0\.1:1"):
        _enqueue_at("postgresql://x@127.0.0.1:1/x")
    wrong = psycopg.conninfo.make_conninfo(url, dbname="no_such_database")
    with pytest.raises(DatabaseError, match='"no_such_database" does not exist'):
        _enqueue_at(wrong)
