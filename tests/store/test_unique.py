"""Unique keys: one execution of a function and key at a time, whoever enqueues it, and from where."""

import asyncio
import multiprocessing
import threading

import msgspec
import psycopg
import pytest

import currant
from currant import Handle, client, enqueue_many, job
from currant.backends import Enqueued
from currant.client.insert import insert
from currant.client.pool import Pool
from currant.identifiers import new_ids
from currant.store.enqueue import enqueue_apart
from tests.store.cutter import Cutter
from tests.store.support import fetch, new, node
from tests.support import in_loop


@job(name="tests.unique", retries=2)
async def report(day: str = "") -> None:
    pass


@job(name="tests.other")
async def other() -> None:
    pass


def ids_of(connection: psycopg.Connection) -> list[str]:
    return [id for (id,) in connection.execute("SELECT id FROM executions ORDER BY id").fetchall()]


def set_status(connection: psycopg.Connection, handle: Handle[None], status: str) -> None:
    """As the node's statements do: a key that is not held for a time goes with the end."""
    connection.execute(
        "UPDATE executions SET status = %s, lease = lease + 1,"
        " unique_key = CASE WHEN %s IN ('completed', 'failed', 'cancelled') AND coalesce(unique_until < now(), true)"
        " THEN NULL ELSE unique_key END WHERE id = %s",
        (status, status, handle.id),
    )


def only_one_is_first(handles: list[Handle[None]] | list[tuple[str, bool]]) -> str:
    pairs = [each if isinstance(each, tuple) else (each.id, each.first) for each in handles]
    assert len({id for id, _ in pairs}) == 1
    assert sum(first for _, first in pairs) == 1
    return pairs[0][0]


@in_loop
async def test_while_it_is_scheduled_pending_or_running_the_key_is_held_and_the_enqueue_says_so(
    application: psycopg.Connection,
) -> None:
    keyed = report.options(unique="k")
    first = await keyed.queue()
    assert first.first
    for status in ("pending", "running", "scheduled", "suspended"):
        set_status(application, first, status)
        again = await keyed.queue()
        assert (again.id, again.first) == (first.id, False)
    # Another key and another function are free.
    assert (await report.options(unique="l").queue()).first
    assert (await other.options(unique="k").queue()).first
    assert len(ids_of(application)) == 3
    await currant.aclose()


@pytest.mark.parametrize("end", ["completed", "failed", "cancelled"])
@pytest.mark.parametrize("clears", [True, False])
def test_the_key_is_free_again_after_the_end(application: psycopg.Connection, end: str, clears: bool) -> None:
    keyed = report.options(unique="k")
    first = keyed.queue_sync()
    set_status(application, first, end)
    if not clears:  # an end that was written by something that knows no keys, such as a client of version 1
        application.execute("UPDATE executions SET unique_key = 'k' WHERE id = %s", (first.id,))
    again = keyed.queue_sync()
    assert again.first
    assert again.id != first.id


def test_a_cancelled_executions_key_is_free_at_once(application: psycopg.Connection) -> None:
    keyed = report.options(unique="k")
    first = keyed.queue_sync()
    assert first.cancel_sync()
    assert keyed.queue_sync().first


def test_unique_for_keeps_the_key_after_the_end_until_its_time_is_over(application: psycopg.Connection) -> None:
    keyed = report.options(unique="k", unique_for=3600)
    first = keyed.queue_sync()
    set_status(application, first, "completed")
    assert keyed.queue_sync() == first
    application.execute("UPDATE executions SET unique_until = now() - interval '1 second' WHERE id = %s", (first.id,))
    again = keyed.queue_sync()
    assert again.first
    # It also holds while the execution has not ended, longer than that time.
    application.execute("UPDATE executions SET unique_until = now() - interval '1 second' WHERE id = %s", (again.id,))
    assert keyed.queue_sync() == again


@in_loop
async def test_the_same_key_twice_in_one_enqueue_many_is_one_execution(application: psycopg.Connection) -> None:
    keyed = report.options(unique="k")
    handles = await enqueue_many(
        [keyed.call("a"), report.call("plain"), keyed.call("b"), other.call(), keyed.call("c")]
    )
    only_one_is_first([handles[0], handles[2], handles[4]])
    assert handles[1].first
    assert handles[3].first
    assert len(ids_of(application)) == 3
    again = await enqueue_many(keyed.call() for _ in range(2500))
    assert {each.id for each in again} == {handles[0].id}
    assert not any(each.first for each in again)
    await currant.aclose()


@in_loop
async def test_fifty_callers_at_once_share_one_execution(application: psycopg.Connection) -> None:
    keyed = report.options(unique="k")
    only_one_is_first(list(await asyncio.gather(*(keyed.queue() for _ in range(50)))))
    delayed = report.options(unique="later", delay=60)
    only_one_is_first(list(await asyncio.gather(*(delayed.queue() for _ in range(50)))))
    assert len(ids_of(application)) == 2
    await currant.aclose()


def _enqueue(number: int) -> list[tuple[str, bool]]:
    keyed = report.options(unique=f"k{number}")

    async def crowd() -> list[tuple[str, bool]]:
        handles = await asyncio.gather(*(keyed.queue() for _ in range(5)))
        await currant.aclose()
        return [(each.id, each.first) for each in handles]

    return asyncio.run(crowd())


def test_fifty_enqueuers_in_processes_share_one_execution(application: psycopg.Connection) -> None:
    with multiprocessing.get_context("fork").Pool(10) as processes:
        for number in range(5):
            found = processes.map(_enqueue, [number] * 10, chunksize=1)
            only_one_is_first([each for part in found for each in part])
    assert len(ids_of(application)) == 5


def test_fifty_enqueuers_in_threads_share_one_execution(application: psycopg.Connection) -> None:
    keyed = report.options(unique="k")
    found: list[Handle[None]] = []
    threads = [threading.Thread(target=lambda: found.append(keyed.queue_sync())) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 50
    only_one_is_first(found)


def test_a_key_that_ends_and_comes_back_all_the_time_is_never_held_twice(application: psycopg.Connection) -> None:
    keyed = report.options(unique="k")
    stop = threading.Event()

    def end_them(url: str) -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            while not stop.is_set():
                connection.execute("UPDATE executions SET status = 'completed' WHERE status = 'pending'")

    thread = threading.Thread(target=end_them, args=(str(client.default()._url),))
    thread.start()
    try:

        async def crowd() -> list[Handle[None]]:
            handles: list[Handle[None]] = []
            for _ in range(20):
                handles += await asyncio.gather(*(keyed.queue() for _ in range(20)))
            await currant.aclose()
            return handles

        handles = asyncio.run(crowd())
    finally:
        stop.set()
        thread.join()
    firsts = [each.id for each in handles if each.first]
    assert len(firsts) == len(set(firsts))
    assert set(firsts) == {each.id for each in handles} == set(ids_of(application))
    assert len(firsts) > 1


def test_what_was_inserted_before_another_of_its_statement_met_a_lock_is_not_inserted_again(
    application: psycopg.Connection, url: str
) -> None:
    currant.configure(database_url=url, pool_size=1)  # so that the last two share their statements
    application.execute(
        "INSERT INTO executions (id, type, function_name, queue, status, unique_key) "
        "VALUES ('job_ended', 'job', 'tests.unique', 'q', 'completed', 'ended')"
    )

    async def enqueue() -> list[Handle[None]]:
        keys = ("begins", "free", "ended")
        return await asyncio.gather(*(report.options(unique=key).queue() for key in keys))

    with psycopg.connect(url) as holder:
        holder.execute("SELECT FROM executions WHERE id = 'job_ended' FOR UPDATE")
        # Longer than a statement waits for a lock: the key that has ended cannot be taken from its row meanwhile.
        release = threading.Timer(1.5, holder.rollback)
        release.start()
        handles = asyncio.run(enqueue())
        release.join()
    assert [each.first for each in handles] == [True, True, True]
    assert {each.id for each in handles} | {"job_ended"} == set(ids_of(application))


@in_loop
async def test_what_was_inserted_and_ended_and_lost_its_key_is_known_to_be_inserted(url: str) -> None:
    """A statement had inserted it, and the next one met a lock: so all is tried again, with the same id."""
    execution = msgspec.structs.replace(new(), unique_key="k")
    async with node(url) as connection:
        first, second = new_ids(2)
        await enqueue_apart(connection, [first], [execution])
        await fetch(connection, "UPDATE executions SET status = 'completed'")
        await enqueue_apart(connection, [second], [execution])
        pool = Pool(url, 1)
        assert await insert(pool, url, [first], [execution], doubt=True) == [Enqueued(first, True)]
        await pool.close()


def test_in_the_callers_transaction_the_key_is_held_from_the_commit(application: psycopg.Connection, url: str) -> None:
    with psycopg.connect(url) as connection:
        keyed = report.options(unique="k", connection=connection)
        first = keyed.queue_sync()
        assert keyed.queue_sync() == first  # in the same transaction
        connection.rollback()
        assert ids_of(application) == []
        second = keyed.queue_sync()
        assert second.first
        connection.commit()
    assert report.options(unique="k").queue_sync() == second
    with psycopg.connect(url) as connection:
        assert report.options(unique="k", connection=connection).queue_sync() == second


@pytest.mark.parametrize("executed", [True, False])
@pytest.mark.parametrize("ends", [True, False])
@in_loop
async def test_after_a_lost_connection_the_first_is_still_the_first(
    application: psycopg.Connection, url: str, executed: bool, ends: bool
) -> None:
    """The reply is lost, and perhaps the execution has even ended by the time of the repetition."""
    if ends:
        application.execute(
            "CREATE FUNCTION ended() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN"
            " UPDATE executions SET status = 'completed', unique_key = NULL WHERE id = NEW.id; RETURN NULL; END$$"
        )
        application.execute(
            "CREATE CONSTRAINT TRIGGER ended AFTER INSERT ON executions DEFERRABLE INITIALLY DEFERRED"
            " FOR EACH ROW EXECUTE FUNCTION ended()"
        )
    async with Cutter(url) as cutter:
        currant.configure(database_url=cutter.url)
        cutter.cut(b"tests.unique", executed=executed)
        handle = await report.options(unique="k").queue()
        assert cutter.cuts == 1
        await currant.aclose()
    assert handle.first
    assert ids_of(application) == [handle.id]
