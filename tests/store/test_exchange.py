"""A statement over libpq itself: values of all sizes, errors, cancellation, and a server that goes away."""

import asyncio
from typing import Any

import psycopg
import pytest

from currant.store import arrays
from currant.store.connections import Connection, connect
from currant.store.exchange import Form
from currant.store.statements import Statement, execute, fetch, fetch_later
from tests.store.support import backend_pid, connected, terminate, until
from tests.support import in_loop

LENGTHS = Statement("lengths", b"SELECT length(%(text)s::text), 7 %% 4, %(none)s::int, %(text)s::text")
SERIES = Statement("series", b"SELECT repeat('x', 1000), n FROM generate_series(1, %(last)s::int) AS n")
SLEEP = Statement("sleep", b"SELECT pg_sleep(%(s)s::float8)::text")
DIVIDE = Statement("divide", b"SELECT 1 / %(by)s::int")
NONSENSE = Statement("nonsense", b"SELECT FROM no_such_table WHERE %(a)s::int = 1")
COUNT = Statement("count", b"SELECT cardinality(%(items)s::text[])")


def test_names_become_numbers_one_for_each_name() -> None:
    form = Form(b"SELECT %(b)s::int, %(a)s::text, %(b)s::int %% 2, '%%'")
    assert form.text == b"SELECT $1::int, $2::text, $1::int % 2, '%'"
    assert form.names == ("b", "a")


@in_loop
async def test_values_of_all_kinds_arrive(url: str) -> None:
    async with connected(url) as connection:
        assert await fetch(connection, LENGTHS, {"text": "né", "none": None}) == [(2, 3, None, "né")]
        (row,) = await fetch(connection, COUNT, {"items": arrays.texts(["a", "b"])})
        assert row == (2,)


@in_loop
async def test_what_does_not_fit_into_a_socket_is_sent_and_received_in_pieces(url: str) -> None:
    text = "x" * (16 << 20)
    async with connected(url) as connection:
        ((length, _, _, back),) = await fetch(connection, LENGTHS, {"text": text, "none": None})
        assert length == len(text)
        assert back == text
        rows = await fetch(connection, SERIES, {"last": 5000})
        assert [n for _, n in rows] == list(range(1, 5001))


@in_loop
async def test_rows_can_be_read_when_the_connection_has_gone_on(url: str) -> None:
    async with connected(url) as connection:
        count, rows = await fetch_later(connection, SERIES, {"last": 3})
        assert count == 3
        assert await execute(connection, SERIES, {"last": 2}) == 2
        assert [n for _, n in rows()] == [1, 2, 3]


@in_loop
async def test_an_error_is_that_of_the_server_and_the_connection_goes_on(url: str) -> None:
    async with connected(url) as connection:
        with pytest.raises(psycopg.errors.DivisionByZero, match="division by zero"):
            await fetch(connection, DIVIDE, {"by": 0})
        for _ in range(2):
            with pytest.raises(psycopg.errors.UndefinedTable, match="no_such_table"):
                await fetch(connection, NONSENSE, {"a": 1})
        assert await fetch(connection, DIVIDE, {"by": 1}) == [(1,)]


@in_loop
async def test_a_statement_is_prepared_once_for_each_type_of_its_parameters(url: str) -> None:
    async with connected(url) as connection:
        for last in (1, 2, 70_000, 3):
            await execute(connection, SERIES, {"last": last})
        assert await prepared(connection) == [SERIES.form.text.decode()] * 2


@in_loop
async def test_a_cancelled_statement_is_cancelled_on_the_server_and_the_connection_goes_on(url: str) -> None:
    async with connected(url) as connection, connected(url) as other:
        pid = await backend_pid(connection)
        await fetch(connection, SLEEP, {"s": 0.0})
        task = asyncio.ensure_future(fetch(connection, SLEEP, {"s": 600.0}))
        await until_state(other, pid, "active")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until_state(other, pid, "idle")
        assert await fetch(connection, DIVIDE, {"by": 1}) == [(1,)]
        assert await backend_pid(connection) == pid


@in_loop
async def test_a_statement_cancelled_while_it_is_being_prepared_can_be_run_later(url: str) -> None:
    async with connected(url) as connection:
        task = asyncio.ensure_future(fetch(connection, DIVIDE, {"by": 1}))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await fetch(connection, DIVIDE, {"by": 1}) == [(1,)]


@in_loop
async def test_statements_of_several_tasks_take_turns(url: str) -> None:
    async with connected(url) as connection:
        found = await asyncio.gather(*(fetch(connection, DIVIDE, {"by": by}) for by in (1, 1, 1)))
        assert found == [[(1,)]] * 3


@in_loop
async def test_the_end_of_a_connection_under_a_statement_is_told_with_the_servers_reason(url: str) -> None:
    connection = await connect(url, "currant tests")
    async with connected(url) as other:
        pid = await backend_pid(connection)
        task = asyncio.ensure_future(fetch(connection, SLEEP, {"s": 600.0}))
        await until_state(other, pid, "active")
        await terminate(other, pid)
        with pytest.raises(psycopg.OperationalError, match="terminating connection due to administrator command"):
            await task
        with pytest.raises(psycopg.OperationalError):
            await fetch(connection, DIVIDE, {"by": 1})
        assert connection.closed


async def prepared(connection: Connection) -> list[Any]:
    cursor = await connection.execute("SELECT statement FROM pg_prepared_statements", prepare=False)
    return [text for (text,) in await cursor.fetchall()]


async def until_state(other: Connection, pid: int, state: str) -> None:
    await until(other, "EXISTS (SELECT FROM pg_stat_activity WHERE pid = %s AND state = %s)", pid, state)
