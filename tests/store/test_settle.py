"""Verdicts: every state that may follow, the dead letters, and who is woken."""

import asyncio
from collections.abc import Callable

import pytest

from currant.executions import Execution, Status, Verdict
from currant.store import queries
from currant.store.connections import Connection
from tests.store.support import NODE, claim, connected, enqueue, fetch, in_state, listening, new, node, one, states
from tests.support import in_loop

ERROR = b'{"type":"E","message":"m"}'


async def claimed(connection: Connection, count: int = 1) -> list[Execution]:
    await enqueue(connection, *[new()] * count)
    return (await claim(connection, count)).executions


@in_loop
async def test_a_release_is_pending_again_without_a_trace_of_the_claim(url: str) -> None:
    async with node(url) as connection:
        (held,) = await claimed(connection)
        assert await queries.settle(connection, [Verdict(held, Status.PENDING, uncount=1)]) == 1
        row = (
            "SELECT status, attempt, crashes, lease, worker_id, claimed_at, completed_at, run_at, error FROM executions"
        )
        assert await fetch(connection, row) == [("pending", 0, 0, 1, None, None, None, None, None)]


@in_loop
async def test_a_crash_is_pending_again_and_keeps_the_attempt_and_the_reason(url: str) -> None:
    async with node(url) as connection:
        (held,) = await claimed(connection)
        await queries.settle(connection, [Verdict(held, Status.PENDING, ERROR, crash=1)])
        row = "SELECT status, attempt, crashes, error ->> 'type', worker_id FROM executions"
        assert await fetch(connection, row) == [("pending", 1, 1, "E", None)]
        (again,) = (await claim(connection)).executions
        assert (again.attempt, again.crashes) == (2, 1)


@in_loop
async def test_a_retry_is_scheduled_by_the_clock_of_the_database(url: str) -> None:
    async with node(url) as connection:
        (held,) = await claimed(connection)
        async with connection.transaction():
            await queries.settle(connection, [Verdict(held, Status.SCHEDULED, ERROR, delay_s=12.5)])
            row = (
                "SELECT status, attempt, extract(epoch FROM run_at - now())::float8, error ->> 'message', worker_id,"
                " completed_at, ready FROM executions"
            )
            assert await fetch(connection, row) == [("scheduled", 1, 12.5, "m", None, None, False)]
        assert (await claim(connection)).seen == 0


@in_loop
async def test_a_final_failure_is_copied_to_the_dead_letters(url: str) -> None:
    async with node(url) as connection:
        await enqueue(connection, new(args=b"[1]", kwargs=b'{"a":2}', retries=0, priority=8))
        (held,) = (await claim(connection)).executions
        assert await queries.settle(connection, [Verdict(held, Status.FAILED, ERROR, reason="its last attempt")]) == 1
        row = "SELECT status, error ->> 'type', worker_id, claimed_at <= completed_at FROM executions"
        assert await fetch(connection, row) == [("failed", "E", NODE, True)]
        letter = "SELECT execution_id, failure_reason, failed_at <= now(), execution_data FROM dead_letter_queue"
        async with connected(url, hot=False) as plain:
            ((id, reason, _, data),) = await fetch(
                plain, letter.replace("execution_data", "execution_data::text::json")
            )
        assert (id, reason) == (held.id, "its last attempt")
        assert "reason" not in data
        kept = {
            name: data[name] for name in ("id", "status", "args", "kwargs", "priority", "attempt", "lease", "error")
        }
        assert kept == {
            "id": held.id,
            "status": "failed",
            "args": [1],
            "kwargs": {"a": 2},
            "priority": 8,
            "attempt": 1,
            "lease": 1,
            "error": {"type": "E", "message": "m"},
        }


@in_loop
async def test_a_batch_of_every_kind_is_one_statement(url: str) -> None:
    async with node(url) as connection:
        released, crashed, retried, failed, kept = await claimed(connection, 5)
        verdicts = [
            Verdict(failed, Status.FAILED, ERROR, reason="r"),
            Verdict(released, Status.PENDING, uncount=1),
            Verdict(retried, Status.SCHEDULED, ERROR, delay_s=0.0),
            Verdict(crashed, Status.PENDING, ERROR, crash=1),
        ]
        assert await queries.settle(connection, verdicts) == 4
        found = dict(await fetch(connection, "SELECT id, status FROM executions"))
        assert found == {
            released.id: "pending",
            crashed.id: "pending",
            retried.id: "scheduled",
            failed.id: "failed",
            kept.id: "running",
        }


@in_loop
@pytest.mark.parametrize(
    "verdict",
    [
        lambda held: Verdict(held, Status.PENDING, uncount=1),
        lambda held: Verdict(held, Status.PENDING, ERROR, crash=1),
        lambda held: Verdict(held, Status.SCHEDULED, ERROR, delay_s=5.0),
        lambda held: Verdict(held, Status.FAILED, ERROR, reason="r"),
    ],
    ids=["released", "crashed", "retried", "failed"],
)
async def test_a_repetition_changes_nothing(url: str, verdict: Callable[[Execution], Verdict]) -> None:
    async with node(url) as connection:
        (held,) = await claimed(connection)
        given = verdict(held)
        assert await queries.settle(connection, [given]) == 1
        assert given.written
        before = await fetch(connection, "SELECT * FROM executions")
        assert await queries.settle(connection, [given]) == 0
        assert not given.written
        assert await fetch(connection, "SELECT * FROM executions") == before
        letters = await one(connection, "SELECT count(*) FROM dead_letter_queue")
        assert letters == (1 if given.status is Status.FAILED else 0)


@in_loop
@pytest.mark.parametrize(
    "verdict",
    [
        lambda held: Verdict(held, Status.PENDING, uncount=1),
        lambda held: Verdict(held, Status.PENDING, ERROR, crash=1),
        lambda held: Verdict(held, Status.SCHEDULED, ERROR, delay_s=5.0),
        lambda held: Verdict(held, Status.SCHEDULED, delay_s=5.0, uncount=1),
        lambda held: Verdict(held, Status.CANCELLED, ERROR),
    ],
    ids=["released", "crashed", "retried", "snoozed", "cancelled"],
)
async def test_one_that_someone_cancelled_does_not_wait_again(
    url: str, verdict: Callable[[Execution], Verdict]
) -> None:
    async with node(url) as connection, listening(url, "q") as ears:
        (held,) = await claimed(connection)
        assert await queries.cancel(connection, [held.id]) == {held.id}
        await ears.heard(connection)
        given = verdict(held)
        assert await queries.settle(connection, [given]) == 1
        assert given.status is Status.CANCELLED
        row = "SELECT status, completed_at IS NOT NULL, worker_id, run_at, ready FROM executions"
        assert await fetch(connection, row) == [("cancelled", True, NODE, None, False)]
        assert await one(connection, "SELECT count(*) FROM dead_letter_queue") == 0
        assert await ears.heard(connection) == set()
        assert (await claim(connection)).seen == 0
        assert (await queries.promote(connection, queues=["q"], rows=10)).promoted == 0


@in_loop
async def test_one_that_someone_cancelled_has_failed_when_it_failed_for_good(url: str) -> None:
    async with node(url) as connection:
        (held,) = await claimed(connection)
        await queries.cancel(connection, [held.id])
        await queries.settle(connection, [Verdict(held, Status.FAILED, ERROR, reason="r")])
        assert await states(connection) == {"failed": 1}
        assert await one(connection, "SELECT count(*) FROM dead_letter_queue") == 1


@in_loop
async def test_a_snooze_takes_its_attempt_off_and_keeps_the_error_of_before(url: str) -> None:
    async with node(url) as connection:
        (held,) = await claimed(connection)
        await queries.settle(connection, [Verdict(held, Status.SCHEDULED, ERROR, delay_s=0.0)])
        await queries.promote(connection, queues=["q"], rows=10)
        (again,) = (await claim(connection)).executions
        assert again.attempt == 2
        await queries.settle(connection, [Verdict(again, Status.SCHEDULED, delay_s=9.0, uncount=1)])
        row = "SELECT status, attempt, error ->> 'type', run_at > now() + interval '5 s' FROM executions"
        assert await fetch(connection, row) == [("scheduled", 1, "E", True)]


@in_loop
async def test_an_execution_that_fails_twice_has_two_letters(url: str) -> None:
    async with node(url) as connection:
        (held,) = await claimed(connection)
        await queries.settle(connection, [Verdict(held, Status.FAILED, reason="first")])
        # Brought back by hand.
        await fetch(connection, "UPDATE executions SET status = 'pending'")
        (held,) = (await claim(connection)).executions
        await queries.settle(connection, [Verdict(held, Status.FAILED, reason="second")])
        reasons = await fetch(connection, "SELECT failure_reason FROM dead_letter_queue ORDER BY failed_at")
        assert reasons == [("first",), ("second",)]


@in_loop
async def test_the_queue_is_woken_for_what_is_pending_and_for_nothing_else(url: str) -> None:
    async with node(url) as connection, listening(url, "a", "b", "c") as ears:
        await enqueue(connection, new(queue="a"), new(queue="b"), new(queue="c"), new(queue="a"))
        a, b, c, a_too = (await claim(connection, queues=["a", "b", "c"])).executions
        await ears.heard(connection)
        await queries.settle(
            connection,
            [
                Verdict(a, Status.PENDING, uncount=1),
                Verdict(a_too, Status.PENDING, uncount=1),
                Verdict(b, Status.SCHEDULED, delay_s=1.0),
                Verdict(c, Status.FAILED, reason="r"),
            ],
        )
        assert await ears.heard(connection) == {"a"}


@in_loop
@pytest.mark.parametrize("length", [64, 200])
async def test_the_long_name_of_a_queue_from_a_raw_row_does_not_break_anything(url: str, length: int) -> None:
    queue = "ä" * (length // 2)
    async with node(url) as connection, listening(url, "q") as ears:
        await in_state(connection, "pending", 2)
        await fetch(connection, "UPDATE executions SET queue = %s WHERE id = (SELECT min(id) FROM executions)", queue)
        held = (await claim(connection, queues=["q", queue])).executions
        assert sorted(each.queue for each in held) == sorted(["q", queue])
        assert await queries.settle(connection, [Verdict(each, Status.PENDING, uncount=1) for each in held]) == 2
        assert await ears.heard(connection) == {"q"}
        assert (await queries.tick(connection, node=NODE, queues=[queue], timeout_s=30)).waiting
        await fetch(connection, "UPDATE executions SET status = 'scheduled', run_at = now()")
        assert (await queries.promote(connection, queues=["q", queue], rows=10)).promoted == 2
        assert await states(connection) == {"pending": 2}


@in_loop
async def test_an_enqueue_notifies_the_queues_that_it_writes_to(url: str) -> None:
    async with connected(url) as connection, listening(url, "a", "b", "c") as ears:
        await enqueue(connection, *[new(queue="a")] * 3, new(queue="b"))
        assert await ears.heard(connection) == {"a", "b"}


@in_loop
async def test_opposite_orders_of_two_writers_end(url: str) -> None:
    """The same rows in two orders may deadlock; neither waits for long, and what was not written is repeated."""
    async with node(url) as connection, connected(url) as other:
        held = await claimed(connection, 200)
        verdicts = [Verdict(each, Status.PENDING, uncount=1) for each in held]
        counts = await asyncio.gather(
            queries.settle(connection, verdicts), queries.settle(other, verdicts[::-1]), return_exceptions=True
        )
        written = sum(each for each in counts if isinstance(each, int))
        assert written + await queries.settle(connection, verdicts) == 200
