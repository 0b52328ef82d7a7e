"""Waiting for results, cancelling, and the same for code without an event loop."""

import asyncio
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import timedelta

import psycopg
import pytest

import currant
from currant import (
    ConfigurationError,
    CurrantError,
    DatabaseError,
    ExecutionCancelled,
    ExecutionFailed,
    ExecutionNotFound,
    Handle,
    SchemaError,
    client,
    job,
)
from currant.client import DatabaseBackend
from currant.store import queries
from currant.store.connections import Connection
from currant.store.scratch import within
from tests.nodes import eventually
from tests.support import in_loop


@job(name="tests.result")
async def work(number: int = 0) -> int:
    return number


def end(connection: psycopg.Connection, handle: Handle[int], status: str, body: str = "null") -> None:
    column = "result" if status == "completed" else "error"
    connection.execute(
        f"UPDATE executions SET status = %s, {column} = %s, completed_at = now() WHERE id = %s",
        (status, body, handle.id),
    )


@pytest.fixture
def polls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many ids each poll asked for."""
    asked: list[int] = []
    ended = queries.ended

    async def counted(connection: Connection, ids: list[str]) -> object:
        asked.append(len(ids))
        return await ended(connection, ids)

    monkeypatch.setattr(queries, "ended", counted)
    return asked


@in_loop
async def test_each_end_is_told_as_what_it_is(application: psycopg.Connection) -> None:
    completed, failed, cancelled = [await work.queue() for _ in range(3)]
    waiting = [asyncio.ensure_future(each.result(20)) for each in (completed, failed, cancelled, completed)]
    await asyncio.sleep(0.1)
    assert not any(each.done() for each in waiting)
    end(application, completed, "completed", "42")
    end(application, failed, "failed", '{"type": "ValueError", "message": "no"}')
    end(application, cancelled, "cancelled", '{"type": "Discarded", "message": "why"}')
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert results[0] == results[3] == 42
    assert isinstance(results[1], ExecutionFailed)
    assert (results[1].type, results[1].message) == ("ValueError", "no")
    assert isinstance(results[2], ExecutionCancelled)
    with pytest.raises(ExecutionNotFound, match="it never was, it was pruned"):
        await work.handle("job_never").result(20)
    assert await completed.result(20) == 42  # one that ended long ago
    await currant.aclose()


@in_loop
async def test_all_that_is_waited_for_is_asked_for_together_and_nothing_when_nobody_waits(
    application: psycopg.Connection, polls: list[int]
) -> None:
    handles = [await work.queue() for _ in range(50)]
    waiting = [asyncio.ensure_future(each.result()) for each in handles]
    while len(polls) < 3:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    assert set(polls) == {50}
    application.execute("UPDATE executions SET status = 'completed', result = '1'")
    assert await asyncio.gather(*waiting) == [1] * 50
    told = len(polls)
    await asyncio.sleep(0.6)
    assert len(polls) == told
    await currant.aclose()


@in_loop
async def test_a_long_wait_is_asked_for_ever_less_often(application: psycopg.Connection, polls: list[int]) -> None:
    handle = await work.queue()
    with pytest.raises(TimeoutError, match=rf"{handle.id} has not ended within 2 s; it goes on"):
        await handle.result(2)
    # Every 20 ms it would be a hundred; fewer than ten come where the machine stalls.
    assert 1 <= len(polls) <= 15
    await currant.aclose()


@in_loop
async def test_a_poll_is_bounded(application: psycopg.Connection, polls: list[int]) -> None:
    ended = await asyncio.gather(
        *(work.handle(f"job_{number}").result() for number in range(2500)), return_exceptions=True
    )
    assert all(isinstance(each, ExecutionNotFound) for each in ended)
    assert sum(polls) == 2500
    assert max(polls) == 1000
    await currant.aclose()


@in_loop
async def test_one_who_gives_up_leaves_the_others_waiting(application: psycopg.Connection) -> None:
    handle = await work.queue()
    first, second = (asyncio.ensure_future(handle.result(20)) for _ in range(2))
    await asyncio.sleep(0.05)
    first.cancel()
    await asyncio.wait([first])
    assert first.cancelled()
    end(application, handle, "completed", "7")
    assert await second == 7
    await currant.aclose()


@in_loop
async def test_no_time_at_all_is_a_look_at_what_is_there(application: psycopg.Connection, polls: list[int]) -> None:
    ended, going = await work.queue(), await work.queue()
    end(application, ended, "completed", "7")
    assert await ended.result(timeout=0) == 7
    assert await ended.result(timeout=timedelta(0)) == 7
    with pytest.raises(TimeoutError, match=rf"{going.id} has not ended within 0 s; it goes on"):
        await going.result(timeout=0)
    with pytest.raises(ExecutionNotFound):
        await work.handle("job_nowhere").result(timeout=0)
    assert polls == [1, 1, 1, 1]
    application.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'currant' AND pid <> pg_backend_pid()"
    )
    assert await ended.result(timeout=0) == 7
    await currant.aclose()


@pytest.mark.parametrize("timeout", [timedelta(seconds=20), 1e300, 10**400, float("inf")])
@in_loop
async def test_a_timeout_is_a_duration_of_any_length(application: psycopg.Connection, timeout: float) -> None:
    handle = await work.queue()
    waiting = asyncio.ensure_future(handle.result(timeout))
    await asyncio.sleep(0.05)
    end(application, handle, "completed", "7")
    assert await waiting == 7
    await currant.aclose()


@pytest.mark.parametrize("timeout", [-1, float("nan"), True, "5", timedelta(seconds=-1)])
@in_loop
async def test_what_is_no_timeout_is_refused(application: psycopg.Connection, timeout: float) -> None:
    handle = await work.queue()
    with pytest.raises(
        ConfigurationError, match="timeout must be a timedelta or a number of seconds of at least 0, got"
    ):
        await handle.result(timeout)
    await currant.aclose()


@in_loop
async def test_a_wrong_id_is_told_to_who_gave_it_and_to_nobody_else(application: psycopg.Connection) -> None:
    handle = await work.queue()
    waiting = asyncio.ensure_future(handle.result(20))
    await asyncio.sleep(0.05)
    for wrong in (5, None, b"job_x"):
        with pytest.raises(ConfigurationError, match=rf"an execution's id is a string, .* got {wrong!r}"):
            work.handle(wrong)  # type: ignore[arg-type]
    for unknown in ("", "a\0b", "\ud800", "x" * 10_000):
        with pytest.raises(ExecutionNotFound):
            await work.handle(unknown).result(5)
        assert await work.handle(unknown).cancel() is False
    end(application, handle, "completed", "7")
    assert await waiting == 7
    await currant.aclose()


@in_loop
async def test_a_lost_connection_only_delays(application: psycopg.Connection) -> None:
    handle = await work.queue()
    waiting = asyncio.ensure_future(handle.result(30))
    for _ in range(3):
        await asyncio.sleep(0.1)
        application.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'currant' AND pid <> pg_backend_pid()"
        )
    end(application, handle, "completed", "7")
    assert await waiting == 7
    await currant.aclose()


@in_loop
async def test_a_refusal_and_a_missing_schema_are_told_at_once(url: str) -> None:
    for bad, kind in (
        (within(url, "currant_nowhere"), SchemaError),
        (psycopg.conninfo.make_conninfo(url, dbname="no_such_database"), DatabaseError),
    ):
        used = DatabaseBackend(bad, payload_bytes_max=1 << 20)
        with pytest.raises(kind):
            async with asyncio.timeout(60):
                await asyncio.gather(used.ended("job_1"), used.ended("job_2"))
        await used.close()


@in_loop
async def test_cancel_says_whether_it_had_not_ended(application: psycopg.Connection) -> None:
    waits, done, runs = [await work.queue() for _ in range(3)]
    end(application, done, "completed")
    end(application, runs, "running")
    assert await waits.cancel()
    assert not await done.cancel()
    assert await runs.cancel()
    assert not await waits.cancel()
    assert not await work.handle("job_never").cancel()
    with pytest.raises(ExecutionCancelled):
        await waits.result(20)
    assert application.execute("SELECT cancel_requested_at FROM executions WHERE id = %s", (runs.id,)).fetchone() != (
        None,
    )
    ids = [(await work.queue()).id for _ in range(3)]
    assert await client.default().cancel([ids[0], "job_never", ids[1], ids[2]]) == [True, False, True, True]
    await currant.aclose()


# Without an event loop


def test_sync_calls_do_as_their_twins(application: psycopg.Connection) -> None:
    handle = work.queue_sync(3)
    with pytest.raises(TimeoutError, match="has not ended"):
        handle.result_sync(0.1)
    end(application, handle, "completed", "9")
    assert handle.result_sync(20) == 9
    assert not handle.cancel_sync()
    assert work.queue_sync().cancel_sync()


def test_a_sync_call_within_a_running_loop_blocks_only_its_caller(application: psycopg.Connection) -> None:
    async def view() -> int:
        mine = await work.queue()
        handle = work.queue_sync(3)  # as Django's synchronous code under an async server, or a notebook's cell
        end(application, handle, "completed", "1")
        end(application, mine, "completed", "2")
        both = handle.result_sync(20) + await mine.result(20)
        await currant.aclose()
        return both

    assert asyncio.run(view()) == 3


def test_threads_share_the_background_thread_and_its_connections(application: psycopg.Connection) -> None:
    handles: list[Handle[int]] = []
    threads = [threading.Thread(target=lambda: handles.append(work.queue_sync())) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({each.id for each in handles}) == 40
    assert [each.name for each in threading.enumerate()].count("currant: synchronous calls") == 1
    assert client.default().peak <= 10
    currant.close()
    assert "currant: synchronous calls" not in [each.name for each in threading.enumerate()]
    assert work.queue_sync().id  # and it begins anew


def test_what_waits_when_everything_is_closed_is_told(application: psycopg.Connection, polls: list[int]) -> None:
    handle = work.queue_sync()
    told: list[BaseException] = []

    def wait() -> None:
        try:
            handle.result_sync()
        except CurrantError as error:
            told.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    eventually(lambda: polls)
    currant.close()
    thread.join(60)
    assert "cut off: currant.close() was called" in str(told[0])


def interrupted(url: str, text: str, ready: Callable[[], object]) -> "subprocess.CompletedProcess[str]":
    head = (
        "import currant, threading, sys, signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"currant.configure(database_url={url!r})\n@currant.job(name='tests.result')\nasync def f(): ...\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", head + text], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        eventually(ready)
        process.send_signal(signal.SIGINT)
        out, error = process.communicate(timeout=60)
    finally:
        process.kill()
    return subprocess.CompletedProcess([], process.returncode, out, error)


def test_an_interrupt_while_waiting_ends_the_wait_and_cancels_it(application: psycopg.Connection, url: str) -> None:
    text = (
        "try:\n    f.queue_sync().result_sync()\nexcept KeyboardInterrupt:\n"
        "    import time; time.sleep(0.2)\n"
        "    (side,) = currant.client.default()._sides.values()\n"
        "    print('interrupted', side.results._watched)\n"
    )
    # Before it waits, the interrupt would be the enqueue's.
    waits = "SELECT FROM pg_stat_activity WHERE application_name = 'currant' AND query LIKE '%WITH ORDINALITY%'"
    done = interrupted(url, text, lambda: application.execute(waits).fetchone() is not None)
    assert (done.returncode, done.stdout, done.stderr) == (0, "interrupted {}\n", "")
