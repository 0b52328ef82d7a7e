"""The test database: a node's statements and a child's executor in the process of the test."""

import asyncio
import threading
from typing import Any

import psycopg
import pytest

import currant
from currant import ConfigurationError, CurrantError, ExecutionFailed, ExecutionNotFound, backends
from currant.store.scratch import Scratch
from currant.testing import CurrantDatabase
from currant.testing.database import database_at
from tests.support import in_loop
from tests.testing import jobs


def rows(database: CurrantDatabase, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(database.url) as connection:
        return connection.execute(query.encode()).fetchall()


def test_what_is_due_runs_by_priority_and_then_in_order(currant_db: CurrantDatabase) -> None:
    for value in (1, 2):
        jobs.echo.queue_sync(value)
    jobs.echo.options(priority=9, queue="another").queue_sync(3)

    ran = currant_db.run_pending()

    assert [(each.args, each.result, each.status) for each in ran] == [
        ([value], value, "completed") for value in (3, 1, 2)
    ]
    assert jobs.log == [3, 1, 2]
    assert currant_db.run_pending() == []


@in_loop
async def test_async_tests_work_it_off_in_their_own_loop(currant_db: CurrantDatabase) -> None:
    handle = await jobs.loop_of.queue()
    await currant_db.run_pending_async()
    assert await handle.result(timeout=60) == id(asyncio.get_running_loop())


def test_a_failure_is_tried_again_at_once_and_ends_in_the_dead_letters(currant_db: CurrantDatabase) -> None:
    handle = jobs.flaky.queue_sync(9)

    (record,) = currant_db.run_pending()

    assert (record.id, record.status, record.attempt, record.error["message"]) == (handle.id, "failed", 3, "attempt 3")
    assert rows(currant_db, "SELECT execution_id FROM dead_letter_queue") == [(handle.id,)]
    with pytest.raises(ExecutionFailed, match="attempt 3"):
        handle.result_sync(timeout=60)


def test_the_wait_that_a_job_asks_for_is_kept(currant_db: CurrantDatabase) -> None:
    jobs.snoozing.queue_sync(9)
    jobs.again.queue_sync()

    ran = currant_db.run_pending()

    assert [(each.status, each.attempt) for each in ran] == [("scheduled", 0), ("scheduled", 1)]
    assert jobs.log == ["snoozing", "again"]


def test_a_job_that_waits_for_another_gets_its_result(currant_db: CurrantDatabase) -> None:
    parent, sync_parent = jobs.parent.queue_sync("x"), jobs.sync_parent.queue_sync("y")

    assert [each.status for each in currant_db.run_pending()] == ["completed"] * 4

    assert (parent.result_sync(timeout=60), sync_parent.result_sync(timeout=60)) == ("x", "y")
    assert threading.current_thread() not in jobs.log


def test_what_is_not_kept_is_gone_when_it_has_run(currant_db: CurrantDatabase) -> None:
    handle = jobs.unkept.queue_sync()

    assert currant_db.run_pending() == []

    assert currant_db.get(handle.id) is None
    with pytest.raises(ExecutionNotFound):
        handle.result_sync(timeout=60)


def test_a_function_that_nobody_registers_is_parked(currant_db: CurrantDatabase) -> None:
    with psycopg.connect(currant_db.url) as connection:
        connection.execute(
            "INSERT INTO executions (id, type, function_name, queue, status)"
            " VALUES ('job_1', 'job', 'nowhere.nothing', 'q', 'pending')"
        )

    (record,) = currant_db.run_pending()

    assert (record.status, record.error["type"]) == ("scheduled", "UnknownFunction")


def test_no_node_is_left_behind(currant_db: CurrantDatabase) -> None:
    jobs.echo.queue_sync(1)
    currant_db.run_pending()
    assert rows(currant_db, "SELECT status, metadata FROM worker_heartbeats") == [("stopped", {"test": True})]


def test_an_interrupt_is_not_taken_for_a_failure(currant_db: CurrantDatabase) -> None:
    jobs.interrupted.queue_sync()
    jobs.echo.queue_sync(1)
    with pytest.raises(KeyboardInterrupt):
        currant_db.run_pending()
    # Its retry waits for the next call; so does what was behind it, unless the machine was slow.
    assert jobs.log.count("interrupted") == 1
    assert rows(currant_db, "SELECT status FROM executions ORDER BY id")[0][0] in ("scheduled", "pending")


def test_a_job_that_fails_the_test_by_pytests_means_does(currant_db: CurrantDatabase) -> None:
    jobs.failing_the_test.queue_sync()
    with pytest.raises(pytest.fail.Exception, match="ends the test"):
        currant_db.run_pending()
    assert jobs.log == ["failing"]


def test_jobs_without_an_end_are_told(currant_db: CurrantDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("currant.testing.working.RUNS_MAX", 5)
    jobs.endless.queue_sync()
    with pytest.raises(CurrantError, match="has run 5 executions, and there are more"):
        currant_db.run_pending()


def test_it_goes_before_what_the_application_has_configured(currant_db: CurrantDatabase) -> None:
    currant.configure(database_url="postgresql://nobody@nowhere.invalid/nothing")
    try:
        handle = jobs.echo.queue_sync(1)
        record = currant_db.get(handle.id)
        assert record is not None
        assert record.status == "pending"
    finally:
        currant.configure()


def test_nothing_is_left_at_the_end(server: Scratch) -> None:
    before, threads = backends.current(), threading.enumerate()
    with database_at(server.url) as database:
        jobs.echo.queue_sync(1)
        database.run_pending()
        ((schema,),) = rows(database, "SELECT current_schema()")
    assert backends.current() is before
    assert not [each for each in threading.enumerate() if each.name.startswith("currant: ") and each not in threads]
    with psycopg.connect(server.url) as connection:
        found = connection.execute("SELECT FROM pg_namespace WHERE nspname = %s", (schema,)).fetchall()
    assert found == []


def test_an_address_that_is_none_is_told() -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        with database_at("nonsense"):
            pass
