"""Executions for later, as an application enqueues them: which row is written, and who is woken."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from currant import ConfigurationError, client, enqueue_many, job
from currant.store import queries
from currant.store.connections import Session
from tests.store.support import connected, fetch, in_state, listening, node
from tests.support import in_loop


@job(queue="q", name="tests.later")
async def later() -> None: ...


@pytest.fixture
def application(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[psycopg.Connection]:
    """This process as an application with CURRANT_DATABASE_URL; gives a connection to look at the rows."""
    monkeypatch.setenv("CURRANT_DATABASE_URL", url)
    monkeypatch.setattr(client, "_default", [])
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


def _waits(connection: psycopg.Connection) -> list[tuple[Any, ...]]:
    """Returns the states and the seconds from the enqueue to the moment, in the order of the enqueueing."""
    return connection.execute(
        "SELECT status, extract(epoch FROM run_at - created_at)::float8 FROM executions ORDER BY id"
    ).fetchall()


@pytest.mark.parametrize("delay", [90, 90.0, timedelta(minutes=1, seconds=30)])
def test_a_delay_is_seconds_or_a_timedelta_from_the_enqueue_by_the_databases_clock(
    application: psycopg.Connection, delay: float | timedelta
) -> None:
    asyncio.run(later.options(delay=delay).queue())
    assert _waits(application) == [("scheduled", 90.0)]


def test_a_moment_is_kept_in_whatever_time_zone_it_is_said(application: psycopg.Connection) -> None:
    moment = datetime(2100, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    for said in (moment, moment.astimezone(), datetime.fromisoformat("2100-01-02T08:34:05.678901+05:30")):
        asyncio.run(later.options(run_at=said).queue())
    assert application.execute("SELECT DISTINCT status, run_at FROM executions").fetchall() == [("scheduled", moment)]


@pytest.mark.parametrize(
    "options",
    [
        {"delay": 0},
        {"delay": timedelta(0)},
        {"run_at": datetime(2001, 1, 1, tzinfo=UTC)},
        {"run_at": datetime.min.replace(tzinfo=UTC)},
    ],
)
def test_what_is_due_already_is_pending(application: psycopg.Connection, options: dict[str, Any]) -> None:
    asyncio.run(later.options(**options).queue())
    assert _waits(application) == [("pending", None)]


@pytest.mark.parametrize("naive", [datetime(2100, 1, 1), "2100-01-01", 4102444800])
def test_a_moment_without_a_time_zone_is_refused_with_what_to_do(naive: Any) -> None:
    with pytest.raises(ConfigurationError, match="run_at must be a datetime with a time zone, as in"):
        later.options(run_at=naive)


@pytest.mark.parametrize("delay", [-1, timedelta(seconds=-1), float("nan"), True, "5"])
def test_a_delay_that_is_no_time_is_refused(delay: Any) -> None:
    with pytest.raises(ConfigurationError, match="delay must be a timedelta or a number of seconds of at least 0"):
        later.options(delay=delay)


@pytest.mark.parametrize("delay", [2**31, float("inf")])
def test_a_delay_beyond_the_limit_is_told_the_limit(delay: float) -> None:
    with pytest.raises(ConfigurationError, match=r"delay must be less than 2147483647 seconds, which are 68 years"):
        later.options(delay=delay)


def test_a_delay_and_a_moment_exclude_each_other_in_one_call_and_the_later_call_wins() -> None:
    moment = datetime(2100, 1, 1, tzinfo=UTC)
    with pytest.raises(ConfigurationError, match="exclude each other"):
        later.options(delay=1, run_at=moment)
    both = later.options(delay=1).options(run_at=moment).call().execution
    assert (both.delay_s, both.run_at_s) == (None, moment.timestamp())


def test_many_calls_each_have_a_moment_of_their_own(application: psycopg.Connection) -> None:
    calls = [later.options(delay=10 * number).call() for number in range(3)]
    asyncio.run(enqueue_many([*calls, later.call()]))
    assert _waits(application) == [("pending", None), ("scheduled", 10.0), ("scheduled", 20.0), ("pending", None)]


def test_the_nodes_are_woken_for_what_is_due_soon_and_not_for_what_the_tick_tells_in_time(
    url: str, application: psycopg.Connection
) -> None:
    async def woken(delay_s: float) -> set[str]:
        async with connected(url) as connection, listening(url, "q") as ears:
            await later.options(delay=delay_s).queue()
            return await ears.heard(connection)

    assert asyncio.run(woken(1)) == {"q"}
    assert asyncio.run(woken(9)) == {"q"}
    assert asyncio.run(woken(11)) == set()


@in_loop
async def test_a_heap_of_due_work_makes_the_tick_wait_for_one_piece_at_most(url: str) -> None:
    """Statements of one session take turns: between two pieces comes whoever waits."""

    session = Session(url, "tests", hot=True, lost=lambda *_: None, regained=lambda *_: None)
    order: list[str] = []
    begun = asyncio.Event()

    async def promote_all() -> None:
        while True:
            promotion = await session.once(lambda c: queries.promote(c, queues=["q"], rows=100))
            order.append("piece")
            begun.set()
            if not promotion.promoted:
                return

    async def tick() -> None:
        await session.once(lambda c: queries.tick(c, node="node_a", queues=["q"], timeout_s=30))
        order.append("tick")

    async with node(url) as connection:
        await in_state(connection, "scheduled", 1000, run_at="now() - interval '1 second'")
        promoting = asyncio.create_task(promote_all())
        await begun.wait()
        pieces = len(order)
        await tick()
        assert order.index("tick") <= pieces + 1
        await promoting
        assert await fetch(connection, "SELECT count(*) FROM executions WHERE status = 'pending'") == [(1000,)]
    await session.close()
