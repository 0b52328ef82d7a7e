"""Moments that only a raw INSERT can write."""

from collections.abc import Iterator

import pytest

from currant.store import queries
from currant.store.scratch import Scratch
from tests.conftest import empty_schema
from tests.store import support
from tests.support import in_loop


@pytest.fixture
def empty_url(each_server: Scratch) -> Iterator[str]:
    # Before PostgreSQL 17 nothing can be taken from an infinite moment.
    with empty_schema(each_server) as url:
        yield url


@in_loop
async def test_an_infinite_moment_in_a_raw_row_stops_neither_tick_nor_claim_nor_promotion(url: str) -> None:
    async with support.node(url) as connection:
        for id, moment in (("job_1", "-infinity"), ("job_2", "infinity")):
            await connection.execute(
                "INSERT INTO executions (id, type, function_name, queue, status, run_at)"
                " VALUES (%s, 'job', 'app.f', 'q', 'scheduled', %s::timestamptz)",
                (id, moment),
            )
        assert (await support.claim(connection)).executions == []
        tick = await queries.tick(connection, node=support.NODE, queues=["q"], timeout_s=30)
        assert tick.due_in_s is not None
        assert tick.due_in_s < 0
        promoted = await queries.promote(connection, queues=["q"], rows=10)
        assert (promoted.promoted, promoted.due_in_s) == (1, None)
        assert [each.id for each in (await support.claim(connection)).executions] == ["job_1"]


@in_loop
async def test_an_infinite_age_does_not_stop_a_claim(url: str) -> None:
    async with support.node(url) as connection:
        for id, moment in (("job_1", "-infinity"), ("job_2", "infinity")):
            await connection.execute(
                "INSERT INTO executions (id, type, function_name, queue, status, created_at)"
                " VALUES (%s, 'job', 'app.f', 'q', 'pending', %s::timestamptz)",
                (id, moment),
            )
        assert [each.id for each in (await support.claim(connection, 2)).executions] == ["job_1", "job_2"]
