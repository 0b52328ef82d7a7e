"""The claim: its order, its bounds, its locks, and what it writes."""

import asyncio
import functools
import time

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from currant import payload
from currant.executions import Status, Verdict
from currant.store import queries
from currant.store.connections import Connection
from tests.store import support
from tests.store.support import (
    NODE,
    backend_pid,
    blocked,
    claim,
    complete,
    connected,
    enqueue,
    fetch,
    in_state,
    new,
    node,
    one,
    states,
)
from tests.support import in_loop


@pytest.fixture(autouse=True, params=[False, True], ids=["claim", "claim_first"])
def _either_statement(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one queue both statements claim the same."""
    monkeypatch.setattr(support, "assumes_plenty", request.param)


def ids_of(claimed: queries.Claim) -> list[str]:
    return [each.id for each in claimed.executions]


# Order


@in_loop
async def test_higher_priority_comes_first_then_older_then_the_smaller_id(url: str) -> None:
    async with node(url) as connection:
        late = await enqueue(connection, new(), new(), new(priority=9), new(priority=1))
        old = await in_state(connection, "pending", priority="5", created_at="now() - interval '1 hour'")
        assert ids_of(await claim(connection)) == [late[2], *old, late[0], late[1], late[3]]


@in_loop
async def test_several_queues_are_merged_in_one_order(url: str) -> None:
    async with node(url) as connection:
        ids = await enqueue(connection, *(new(queue="abc"[number % 3], priority=number) for number in range(30)))
        await enqueue(connection, new(queue="other"))
        first = await claim(connection, 10, queues=["a", "b", "c"])
        assert ids_of(first) == ids[:19:-1]
        assert ids_of(await claim(connection, queues=["c", "b", "a"])) == ids[19::-1]
        assert await states(connection) == {"running": 30, "pending": 1}


@in_loop
async def test_the_order_holds_whatever_plan_the_server_takes(url: str) -> None:
    # As in an application's tests, whose connection holds no plan fast.
    async with node(url) as owner, connected(url, hot=False) as connection:
        ids = await enqueue(owner, *(new(queue="ab"[number % 2], priority=number) for number in range(6)))
        assert [ids_of(await claim(connection, 1, look=100, queues=["a", "b"])) for _ in ids] == [
            [id] for id in ids[::-1]
        ]


@in_loop
async def test_a_row_without_a_priority_is_claimed_too(url: str) -> None:
    # Of version 1, where it could be NULL.
    async with node(url) as connection:
        await fetch(connection, "ALTER TABLE executions ALTER priority DROP NOT NULL")
        await enqueue(connection, new())
        await in_state(connection, "pending", priority="NULL")
        assert (await claim(connection, queues=["q", "another"])).size == 2


@in_loop
async def test_an_execution_of_another_queue_is_left_alone(url: str) -> None:
    async with node(url) as connection:
        await enqueue(connection, new(queue="other"))
        assert await claim(connection) == queries.Claim([], True, 0)
        assert await claim(connection, queues=[]) == queries.Claim([], True, 0)


@in_loop
async def test_workflow_and_activity_rows_are_neither_claimed_nor_in_the_way(url: str) -> None:
    async with node(url) as connection:
        await fetch(
            connection,
            "INSERT INTO executions (id, type, function_name, queue, status, priority)"
            " SELECT 'wor_' || n, 'workflow', 'app.w', 'q', 'pending', 100 FROM generate_series(1, 50) AS n",
        )
        await fetch(
            connection,
            "INSERT INTO executions (id, type, function_name, queue, status, priority, parent_workflow_id)"
            " SELECT 'act_' || n, 'activity', 'app.a', 'q', 'pending', 100, 'wor_1' FROM generate_series(1, 50) AS n",
        )
        ids = await enqueue(connection, new(), new())
        claimed = await claim(connection, 2)
        assert (ids_of(claimed), claimed.seen) == (ids, 2)
        assert await claim(connection, 2) == queries.Claim([], True, 0)


@in_loop
@pytest.mark.parametrize("status", ["scheduled", "running", "suspended", "completed", "failed", "cancelled"])
async def test_only_pending_rows_are_claimed(url: str, status: str) -> None:
    async with node(url) as connection:
        await in_state(connection, status)
        assert await claim(connection) == queries.Claim([], True, 0)


# Behind a position


@in_loop
async def test_a_claim_behind_the_last_one_claimed_goes_on_in_the_same_order(url: str) -> None:
    async with node(url) as connection:
        ids = await enqueue(
            connection, *(new(queue="ab"[number % 2], priority=9 - number // 10) for number in range(40))
        )
        found: list[str] = []
        last: queries.Position | None = None
        for _ in range(6):
            claimed = await claim(connection, 7, queues=["a", "b"], after=last)
            found += ids_of(claimed)
            last = claimed.last
        assert found == ids
        assert last is not None
        assert (last.priority, last.id) == (6, ids[-1])
        assert await claim(connection, queues=["a", "b"], after=last) == queries.Claim([], True, 0)


@in_loop
async def test_what_came_before_the_position_is_left_for_a_look_from_the_head(url: str) -> None:
    async with node(url) as connection:
        await enqueue(connection, new(), new())
        last = (await claim(connection, 1, plenty=False)).last
        old = await in_state(connection, "pending", created_at="now() - interval '1 hour'")
        high = await enqueue(connection, new(priority=9))
        low = await enqueue(connection, new(priority=1))
        behind = await claim(connection, after=last)
        assert ids_of(behind)[1:] == low
        assert behind.seen == 2
        assert ids_of(await claim(connection)) == [*high, *old]


@in_loop
async def test_a_row_of_no_end_of_time_is_a_position_like_any_other(url: str) -> None:
    async with node(url) as connection:
        await in_state(connection, "pending", created_at="'infinity'")
        first = await claim(connection, plenty=False)
        assert first.last is not None
        assert first.last.created_s == float("inf")
        assert await claim(connection, after=first.last) == queries.Claim([], True, 0)


# Bounds


@in_loop
async def test_a_claim_is_bounded_in_rows(url: str) -> None:
    async with node(url) as connection:
        ids = await enqueue(connection, *[new()] * 10)
        claimed = await claim(connection, 3)
        assert (ids_of(claimed), claimed.seen) == (ids[:3], 3)
        assert await states(connection) == {"running": 3, "pending": 7}


@in_loop
async def test_a_claim_is_bounded_in_bytes(url: str) -> None:
    async with node(url) as connection:
        args = msgspec.json.encode(["x" * 50_000])
        ids = await enqueue(connection, *[new(args=args)] * 10)
        # The one that passes the bound is the last.
        claimed = await claim(connection, bytes_max=120_000)
        assert ids_of(claimed) == ids[:3]
        assert claimed.seen == 10
        assert await states(connection) == {"running": 3, "pending": 7}


@in_loop
async def test_arguments_that_compress_well_count_in_full(url: str) -> None:
    async with node(url) as connection:
        kwargs = msgspec.json.encode({"text": "a" * 900_000})
        await enqueue(connection, *[new(kwargs=kwargs)] * 5)
        compressed = "SELECT max(pg_column_size(kwargs)) FROM executions"
        assert await one(connection, compressed) < 100_000
        assert len((await claim(connection, bytes_max=1_000_000)).executions) == 2


@in_loop
async def test_the_first_is_always_claimed(url: str) -> None:
    async with node(url) as connection:
        ids = await enqueue(connection, *[new(args=msgspec.json.encode(["x" * 10_000]))] * 2)
        assert ids_of(await claim(connection, bytes_max=1)) == ids[:1]


@in_loop
async def test_oversized_arguments_are_claimed_without_them(url: str) -> None:
    async with node(url) as connection:
        large = msgspec.json.encode(["x" * 5000])
        ids = await enqueue(connection, new(args=large), new(), new(kwargs=b'{"a":"%s"}' % (b"y" * 5000)))
        claimed = await claim(connection, payload_bytes_max=1024)
        assert ids_of(claimed) == ids
        assert [(each.args, each.kwargs) for each in claimed.executions] == [(None, None), (b"[]", b"{}"), (None, None)]


@in_loop
async def test_what_an_enqueue_accepts_is_never_oversized(url: str) -> None:
    """Written out by jsonb, JSON of many small items grows by a space for each."""
    async with node(url) as connection:
        args = msgspec.json.encode([1] * 2000)
        await enqueue(connection, new(args=args, kwargs=b"{}"))
        (claimed,) = (await claim(connection, payload_bytes_max=len(args) + 2)).executions
        assert claimed.args is not None
        assert len(claimed.args) > len(args)
        assert msgspec.json.decode(claimed.args) == [1] * 2000


# What it writes


@in_loop
async def test_a_claim_writes_attempt_lease_node_and_time(url: str) -> None:
    async with node(url) as connection:
        (id,) = await enqueue(connection, new(args=b"[1]", kwargs=b'{"a": 2}', retries=4, timeout_s=9))
        (claimed,) = (await claim(connection)).executions
        row = "SELECT status, attempt, lease, worker_id, claimed_at <= now(), completed_at, ready FROM executions"
        assert await fetch(connection, row) == [("running", 1, 1, NODE, True, None, False)]
        assert (claimed.id, claimed.lease, claimed.attempt, claimed.crashes, claimed.max_retries) == (id, 1, 1, 0, 4)
        assert (claimed.function, claimed.queue, claimed.timeout_s) == ("app.f", "q", 9.0)
        assert (claimed.args, claimed.kwargs) == (b"[1]", b'{"a": 2}')


@in_loop
async def test_the_exact_timeout_is_in_the_options(url: str) -> None:
    async with node(url) as connection:
        await enqueue(connection, new(options=b'{"timeout":2.5}', timeout_s=3), new())
        assert [each.timeout_s for each in (await claim(connection)).executions] == [2.5, None]


@in_loop
async def test_an_odd_timeout_in_a_raw_row_does_not_fail_the_claim_of_the_others(url: str) -> None:
    odd = [
        b'{"timeout":"abc"}',
        b'{"timeout":-1}',
        b'{"timeout":1e400}',
        b'{"timeout":1e-400}',
        b"[1]",
        b'"timeout"',
        b"7",
    ]
    async with node(url) as connection:
        await enqueue(connection, *(new(options=each) for each in odd))
        claimed = (await claim(connection)).executions
        assert [each.timeout_s for each in claimed] == [None, 0.001, 1e9, 0.001, None, None, None]


@in_loop
async def test_each_claim_of_a_row_has_a_greater_lease(url: str) -> None:
    async with node(url) as connection:
        await enqueue(connection, new())
        for number in (1, 2, 3):
            (claimed,) = (await claim(connection)).executions
            assert (claimed.lease, claimed.attempt) == (number, 1)
            await queries.settle(connection, [Verdict(claimed, Status.PENDING, uncount=1)])


# Races


@in_loop
async def test_many_claims_at_once_never_take_the_same_row(url: str) -> None:
    claimed: list[str] = []

    async def work(name: str) -> None:
        async with node(url, name) as connection:
            look = 1
            while True:
                some = await claim(connection, 40, node=name, look=40 * look)
                claimed.extend(ids_of(some))
                look = min(4, look + 1)
                if not some.seen:
                    return

    async with connected(url) as connection:
        ids = await enqueue(connection, *[new()] * 3000)
        await asyncio.gather(*(work(f"node_{number}") for number in range(8)))
        assert sorted(claimed) == ids
        assert await fetch(connection, "SELECT DISTINCT lease, attempt, status FROM executions") == [(1, 1, "running")]


@in_loop
async def test_a_short_claim_says_how_much_it_saw_and_with_a_larger_look_gets_others(url: str) -> None:
    async with node(url) as connection, connected(url) as other:
        ids = await enqueue(connection, *[new()] * 20)
        async with other.transaction():
            await fetch(other, "SELECT FROM executions WHERE id = ANY (%s) FOR UPDATE", ids[:8])
            none = await claim(connection, 5, plenty=False)
            assert (ids_of(none), none.seen) == ([], 5)
            short = await claim(connection, 5, look=10, plenty=False)
            assert (ids_of(short), short.seen) == (ids[8:10], 10)
            full = await claim(connection, 5, look=20, plenty=False)
            assert ids_of(full) == ids[10:15]
        assert ids_of(await claim(connection, 8)) == ids[:8]


# The first ones of a queue with plenty


first = functools.partial(claim, plenty=True)


@in_loop
async def test_with_plenty_the_first_ones_are_claimed_in_order_and_written_as_ever(url: str) -> None:
    async with node(url) as connection:
        late = await enqueue(connection, *[new()] * 5, new(priority=4), new(queue="other"))
        old = await in_state(connection, "pending", priority="5", created_at="now() - interval '1 hour'")
        claimed = await first(connection, 4)
        assert (ids_of(claimed), claimed.in_vain, claimed.seen) == ([*old, *late[:3]], False, 4)
        waited_s = [time.monotonic() - each.due_s for each in claimed.executions]
        assert 3600 <= waited_s[0] < 7200 > 3600 > waited_s[1] > 0
        assert {(each.lease, each.attempt, each.function) for each in claimed.executions} == {(1, 1, "app.f")}
        assert await fetch(connection, "SELECT DISTINCT worker_id FROM executions WHERE status = 'running'") == [
            (NODE,)
        ]
        assert await complete(connection, claimed.executions) == 4
        # What is left at the head is less than wanted, and then of two priorities: the other statement claims that.
        rest = await first(connection, 3)
        assert (ids_of(rest), rest.in_vain) == (late[3:6], True)


@in_loop
async def test_with_plenty_what_another_holds_is_passed_by_after_a_moment(url: str) -> None:
    async with node(url) as connection, connected(url) as other:
        ids = await enqueue(connection, *[new()] * 20)
        await connection.execute("SET lock_timeout = '50ms'")
        async with other.transaction():
            await fetch(other, "SELECT FROM executions WHERE id = %s FOR UPDATE", ids[2])
            claimed = await first(connection, 5)
            assert (ids_of(claimed), claimed.in_vain, claimed.seen) == ([*ids[:2], *ids[3:5]], True, 5)
        after = await first(connection, 5)
        assert (ids_of(after), after.in_vain) == ([ids[2], *ids[5:9]], False)


@in_loop
async def test_with_plenty_two_nodes_do_not_wait_for_each_other(url: str) -> None:
    async with node(url) as connection, connected(url) as other:
        ids = await enqueue(connection, *[new()] * 20)
        async with other.transaction():
            assert ids_of(await first(other, 5)) == ids[:5]
            claimed = await first(connection, 5, look=10)
            assert (ids_of(claimed), claimed.in_vain) == (ids[5:10], True)


@in_loop
async def test_with_plenty_a_row_that_another_took_while_it_was_waited_for_is_left_to_it(url: str) -> None:
    async with node(url) as connection, connected(url) as other:
        ids = await enqueue(connection, *[new()] * 20)
        async with other.transaction():
            assert ids_of(await claim(other, 2, plenty=False)) == ids[:2]
            pid = await backend_pid(connection)
            waiting = asyncio.create_task(first(connection, 5))
            await blocked(other, pid)
        assert ids_of(await waiting) == ids[2:5]
        assert await fetch(connection, "SELECT DISTINCT lease FROM executions WHERE status = 'running'") == [(1,)]


@in_loop
async def test_with_plenty_arguments_are_bounded_as_ever(url: str) -> None:
    async with node(url) as connection:
        text = b'["' + b"x" * 300 + b'"]'
        await enqueue(connection, *[new(args=text)] * 10)
        whole = await first(connection, 2)
        assert (whole.in_vain, {each.args for each in whole.executions}) == (False, {text})
        # So much in all is too much for it, ...
        some = await first(connection, 4, bytes_max=700)
        assert (len(some.executions), some.in_vain) == (3, True)
        # ... and each of these is too large to be fetched.
        none = await first(connection, 2, payload_bytes_max=100)
        assert (none.in_vain, {each.args for each in none.executions}) == (False, {None})


@in_loop
async def test_with_plenty_compressed_arguments_are_left_to_the_other_statement(url: str) -> None:
    async with node(url) as connection:
        large = b'["' + b"x" * 100_000 + b'"]'
        await enqueue(connection, *[new(args=large)] * 3)
        claimed = await first(connection, 2, bytes_max=1000)
        assert (len(claimed.executions), claimed.in_vain) == (1, True)


@in_loop
async def test_with_plenty_a_node_that_is_stopped_or_a_claim_that_is_late_claims_nothing(url: str) -> None:
    async with node(url) as connection:
        await enqueue(connection, *[new()] * 5)
        options = {"node": NODE, "queues": ["q"], "rows": 2, "look": 2, "bytes_max": 1000, "payload_bytes_max": 1000}
        late = await queries.claim(connection, **options, plenty=True, until_s=1.0)  # type: ignore[arg-type]
        assert (late.size, late.in_vain) == (0, True)
        await queries.deregister(connection, node=NODE, doubt=False)
        stopped = await first(connection, 2)
        assert (stopped.size, stopped.alive) == (0, False)


@in_loop
async def test_with_plenty_rows_of_version_1_with_null_are_claimed(url: str) -> None:
    async with node(url) as connection:
        await enqueue(connection, *[new()] * 3)
        for column in ("args", "kwargs", "options", "attempt", "max_retries"):
            await fetch(connection, f"ALTER TABLE executions ALTER {column} DROP NOT NULL")
        await fetch(
            connection,
            "UPDATE executions SET args = NULL, kwargs = NULL, options = NULL, attempt = NULL, max_retries = NULL",
        )
        claimed = await first(connection, 2)
        assert not claimed.in_vain
        assert {(each.args, each.kwargs, each.attempt, each.max_retries) for each in claimed.executions} == {
            (b"[]", b"{}", 1, 3)
        }


@in_loop
async def test_a_row_that_is_not_committed_yet_is_not_there(url: str) -> None:
    async with node(url) as connection, connected(url) as other:
        async with other.transaction():
            ids = await enqueue(other, new())
            assert (await claim(connection)).seen == 0
        assert ids_of(await claim(connection)) == ids


@in_loop
async def test_a_node_that_is_stopped_or_unknown_claims_nothing(url: str) -> None:
    async with node(url) as connection:
        await enqueue(connection, new())
        assert await claim(connection, node="node_unknown") == queries.Claim([], False, 0)
        await queries.deregister(connection, node=NODE, doubt=False)
        assert await claim(connection) == queries.Claim([], False, 0)
        assert await states(connection) == {"pending": 1}


@in_loop
async def test_declaring_a_node_dead_waits_for_its_claim_under_way(url: str) -> None:
    async with node(url) as connection, node(url, "node_b") as other, connected(url) as third:
        ids = await enqueue(connection, new())
        pid = await backend_pid(other)
        async with connection.transaction():
            assert ids_of(await claim(connection)) == ids
            declaring = asyncio.create_task(queries.declare_dead(other, node="node_b", timeout_s=1e6, known=[NODE]))
            await blocked(third, pid)
            assert not declaring.done()
        assert await declaring == [NODE]
        assert [each.id for each in await queries.held(other, [NODE], rows=10)] == ids


@in_loop
async def test_a_claim_waits_while_its_node_is_declared_dead_and_then_takes_nothing(url: str) -> None:
    async with node(url) as connection, node(url, "node_b") as other, connected(url) as third:
        await enqueue(connection, new())
        pid = await backend_pid(connection)
        async with other.transaction():
            assert await queries.declare_dead(other, node="node_b", timeout_s=1e6, known=[NODE]) == [NODE]
            claiming = asyncio.create_task(claim(connection))
            await blocked(third, pid)
        claimed = await claiming
        assert (claimed.executions, claimed.alive) == ([], False)
        assert await states(third) == {"pending": 1}


@in_loop
async def test_a_tick_does_not_wait_for_a_claim_under_way(url: str) -> None:
    async with node(url) as connection, connected(url) as other:
        await enqueue(connection, new())
        async with connection.transaction():
            await claim(connection)
            assert (await queries.tick(other, node=NODE, queues=["q"], timeout_s=30)).alive


# What comes back is what was given


_texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(-1e15, 1e15).map(lambda number: number + 0.0) | _texts,
    lambda inner: st.lists(inner) | st.dictionaries(_texts, inner),
    max_leaves=30,
)


@given(st.lists(st.lists(_values, max_size=3), min_size=1, max_size=20))
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
def test_arguments_come_back_as_they_were(url: str, batch: list[list[object]]) -> None:
    @in_loop
    async def there_and_back() -> None:
        async with connected(url) as connection:
            await fetch(connection, "TRUNCATE executions, worker_heartbeats CASCADE")
            await queries.register(connection, node=NODE, queues=["q"], metadata={})
            await enqueue(connection, *(new(args=payload.encode(args, "x")) for args in batch))
            claimed = await claim(connection)
            assert [msgspec.json.decode(each.args or b"") for each in claimed.executions] == batch
            assert await complete(connection, claimed.executions) == len(batch)

    there_and_back()


@in_loop
@pytest.mark.parametrize("number", [1.0, 0.1, 5e-324, 1e15])
async def test_a_float_comes_back_as_the_same_float(url: str, number: float) -> None:
    async with node(url) as connection:
        await enqueue(connection, new(args=payload.encode([number], "x")))
        (claimed,) = (await claim(connection)).executions
        (back,) = msgspec.json.decode(claimed.args or b"")
        assert (type(back), back) == (float, number)


@in_loop
async def test_what_is_claimed_has_the_row_s_columns(url: str) -> None:
    async with node(url) as connection:
        await in_state(connection, "pending", crashes="2", attempt="5", lease="41", max_retries="0")
        (claimed,) = (await claim(connection)).executions
        assert (claimed.crashes, claimed.attempt, claimed.lease, claimed.max_retries) == (2, 6, 42, 0)


@in_loop
async def test_a_claim_that_empties_the_queues_tells_when_the_next_is_due(url: str) -> None:
    async with node(url) as connection:
        assert (await claim(connection)).due_in_s is None
        await in_state(connection, "scheduled", run_at="now() + interval '1 hour'")
        await in_state(connection, "scheduled", run_at="now() + interval '2 hours'")
        assert (await claim(connection)).due_in_s == pytest.approx(3600, abs=60)
        assert (await claim(connection, queues=["other"])).due_in_s is None
        await enqueue(connection, new(), new(), new())
        assert (await claim(connection, 2)).due_in_s is None
        last = await claim(connection, 2)
        assert len(last.executions) == 1
        assert last.due_in_s == pytest.approx(3600, abs=60)


@in_loop
async def test_a_claim_tells_that_something_is_overdue_by_a_negative_number(url: str) -> None:
    async with node(url) as connection:
        await in_state(connection, "scheduled", run_at="now() - interval '1 hour'")
        assert (await claim(connection)).due_in_s == pytest.approx(-3600, abs=60)


# Since when it was due


async def waited_s(connection: Connection) -> float:
    (execution,) = (await claim(connection)).executions
    return time.monotonic() - execution.due_s


@in_loop
async def test_what_was_delayed_is_due_since_the_end_of_its_delay(url: str) -> None:
    async with node(url) as connection:
        await in_state(
            connection, "scheduled", created_at="now() - interval '1 day'", run_at="now() - interval '1 hour'"
        )
        await queries.promote(connection, queues=["q"], rows=10)
        assert 3600 <= await waited_s(connection) < 7200


@in_loop
async def test_what_was_given_back_is_due_since_then(url: str) -> None:
    async with node(url) as connection:
        await in_state(connection, "pending", created_at="now() - interval '1 day'")
        assert await waited_s(connection) >= 86_400
        (execution,) = await queries.held(connection, [NODE], rows=10)
        await queries.settle(connection, [Verdict(execution, Status.PENDING, uncount=1)])
        assert await waited_s(connection) < 3600


@in_loop
async def test_a_row_of_version_1_without_a_time_is_due_now(url: str) -> None:
    async with node(url) as connection:
        await fetch(connection, "ALTER TABLE executions ALTER created_at DROP NOT NULL")
        await in_state(connection, "pending", created_at="NULL")
        assert await waited_s(connection) < 3600
