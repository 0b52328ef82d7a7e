"""Nodes: their registration, their death, what they held; and what people look at."""

import asyncio

import pytest

from currant.executions import Status, Verdict
from currant.store import inspection, queries
from currant.store.connections import Connection
from tests.store.support import NODE, claim, complete, connected, enqueue, fetch, new, node, one
from tests.support import in_loop


async def age(connection: Connection, name: str, interval: str) -> None:
    await fetch(
        connection,
        f"UPDATE worker_heartbeats SET last_heartbeat = now() - interval '{interval}' WHERE worker_id = %s",
        name,
    )


async def known(connection: Connection) -> dict[str, str]:
    return dict(await fetch(connection, "SELECT worker_id, status FROM worker_heartbeats"))


@in_loop
async def test_a_node_is_registered_with_its_queues_and_metadata(url: str) -> None:
    async with connected(url) as connection:
        await queries.register(connection, node=NODE, queues=["a", "b"], metadata={"pid": 7})
        row = "SELECT worker_id, queues, status, metadata ->> 'pid', last_heartbeat <= now() FROM worker_heartbeats"
        assert await fetch(connection, row) == [(NODE, ["a", "b"], "running", "7", True)]


@in_loop
async def test_registering_forgets_those_that_stopped_long_ago_and_have_nothing_left(url: str) -> None:
    async with connected(url) as connection:
        for name in ("running", "stopped", "stopped lately", "to be reclaimed"):
            await queries.register(connection, node=name, queues=["q"], metadata={})
        await queries.declare_dead(connection, node="x", timeout_s=1e6, known=["to be reclaimed"])
        for name in ("stopped", "stopped lately"):
            await queries.deregister(connection, node=name, doubt=False)
        for name in ("running", "stopped", "to be reclaimed"):
            await age(connection, name, "25 hours")
        await fetch(connection, "UPDATE worker_heartbeats SET metadata = NULL WHERE worker_id = 'stopped'")
        await queries.register(connection, node=NODE, queues=["q"], metadata={})
        assert set(await known(connection)) == {"running", "stopped lately", "to be reclaimed", NODE}


@in_loop
async def test_a_node_with_an_old_heartbeat_is_declared_dead_and_others_are_not(url: str) -> None:
    async with node(url) as connection:
        for name in ("old", "fresh", "ended"):
            await queries.register(connection, node=name, queues=["q"], metadata={"kept": 1})
        await age(connection, "old", "31 s")
        await queries.deregister(connection, node="ended", doubt=False)
        assert await queries.declare_dead(connection, node=NODE, timeout_s=60) == []
        assert await queries.declare_dead(connection, node=NODE, timeout_s=30) == ["old"]
        assert await known(connection) == {NODE: "running", "old": "stopped", "fresh": "running", "ended": "stopped"}
        kept = "SELECT metadata ->> 'kept' FROM worker_heartbeats WHERE worker_id = 'old'"
        assert await one(connection, kept) == "1"


@in_loop
async def test_whose_own_heartbeat_is_not_fresh_judges_nobody_but_those_known_to_be_dead(url: str) -> None:
    """After an outage all heartbeats are old, and a statement that was held up on its way may arrive then."""
    async with node(url) as connection:
        for name in ("old", "known"):
            await queries.register(connection, node=name, queues=["q"], metadata={})
            await age(connection, name, "1 hour")
        await age(connection, NODE, "6 s")
        assert await queries.declare_dead(connection, node=NODE, timeout_s=30) == []
        assert await queries.declare_dead(connection, node="unknown", timeout_s=30) == []
        assert await queries.declare_dead(connection, node=NODE, timeout_s=30, known=["known"]) == ["known"]
        await age(connection, NODE, "1 s")
        assert set(await queries.declare_dead(connection, node=NODE, timeout_s=30)) == {"known", "old"}


@in_loop
async def test_a_dead_node_is_to_be_reclaimed_until_somebody_did(url: str) -> None:
    async with node(url) as connection, node(url, "node_b") as other:
        assert await queries.declare_dead(other, node="node_b", timeout_s=1e6, known=[NODE, "node_b", "gone"]) == [NODE]
        # Whoever declared it may have died: another one finds it too.
        assert await queries.declare_dead(connection, node="node_c", timeout_s=1e6) == [NODE]
        await queries.reclaimed(connection, [NODE])
        assert await queries.declare_dead(connection, node="node_c", timeout_s=1e6) == []


@in_loop
async def test_two_nodes_that_declare_the_same_dead_do_not_get_in_each_other_s_way(url: str) -> None:
    async with node(url) as connection, connected(url) as other:
        for number in range(20):
            await queries.register(connection, node=f"old_{number:02}", queues=["q"], metadata={})
            await age(connection, f"old_{number:02}", "1 hour")
        await queries.register(connection, node="node_b", queues=["q"], metadata={})
        found = await asyncio.gather(
            queries.declare_dead(connection, node=NODE, timeout_s=30),
            queries.declare_dead(other, node="node_b", timeout_s=30),
        )
        assert set(found[0]) | set(found[1]) >= {f"old_{number:02}" for number in range(20)}


@in_loop
async def test_what_a_node_holds_is_found_and_can_be_taken_back(url: str) -> None:
    async with node(url) as connection, node(url, "node_b") as other:
        ids = await enqueue(connection, *[new(retries=2)] * 6)
        mine = (await claim(connection, 4)).executions
        await claim(other, 1, node="node_b")
        await complete(connection, mine[:1])
        held = await queries.held(other, [NODE], rows=100)
        assert sorted((each.id, each.lease, each.attempt, each.max_retries) for each in held) == [
            (id, 1, 1, 2) for id in ids[1:4]
        ]
        assert len(await queries.held(other, [NODE], rows=2)) == 2
        assert await queries.held(other, ["gone"], rows=100) == []
        assert await queries.settle(other, [Verdict(each, Status.PENDING, crash=1) for each in held]) == 3
        # The outcome of the node that was cut off comes too late.
        assert await complete(connection, mine) == 0
        assert await queries.held(other, [NODE], rows=100) == []


# For people


@in_loop
async def test_one_execution_is_shown_whole(url: str) -> None:
    async with node(url) as connection:
        await enqueue(connection, new(args=b"[1]", kwargs=b'{"a":"\xc3\xa4"}', priority=8, retries=2))
        claimed = (await claim(connection)).executions
        await complete(connection, claimed, b'{"r":[null]}')
        record = await inspection.get(connection, claimed[0].id)
        assert record is not None
        assert (record.id, record.status, record.function, record.queue) == (claimed[0].id, "completed", "app.f", "q")
        assert (record.priority, record.attempt, record.crashes, record.max_retries) == (8, 1, 0, 2)
        assert (record.args, record.kwargs, record.result, record.error) == ([1], {"a": "ä"}, {"r": [None]}, None)
        assert record.node == NODE
        assert record.created_at <= (record.claimed_at or "") <= (record.completed_at or "")
        assert "T" in record.created_at
        assert record.run_at is None


@in_loop
async def test_an_execution_that_is_not_there_is_none(url: str) -> None:
    async with connected(url) as connection:
        assert await inspection.get(connection, "job_nothing") is None


@in_loop
@pytest.mark.parametrize("count", [1, 5000])
async def test_an_enqueue_is_all_or_nothing(url: str, count: int) -> None:
    async with connected(url) as connection:
        rows = [new(args=b"[%d]" % number) for number in range(count)]
        rows[-1].args = b'["\\u0000"]'
        with pytest.raises(Exception, match="Unicode"):
            await enqueue(connection, *rows)
        assert await one(connection, "SELECT count(*) FROM executions") == 0
        rows[-1].args = b"[]"
        ids = await enqueue(connection, *rows)
        assert [row[0] for row in await fetch(connection, "SELECT id FROM executions ORDER BY id")] == ids
