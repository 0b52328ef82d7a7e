"""Cancelling in the database: what waits ends at once, what runs is noted, and its node is told."""

import asyncio

from currant.executions import Status, Verdict
from currant.store import queries
from currant.store.channels import Subscription, node_channel, subscribe
from tests.store.support import NODE, claim, complete, connected, enqueue, fetch, in_state, new, node, one
from tests.support import in_loop


async def told(subscription: Subscription, count: int) -> list[str]:
    """Returns the payloads on the node's own channel, when there are so many."""
    payloads: list[str] = []
    came = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(subscription.fileno(), came.set)
    try:
        while len(payloads) < count:
            await came.wait()
            came.clear()
            payloads += subscription.receive().get(node_channel(NODE), [])
    finally:
        loop.remove_reader(subscription.fileno())
    return payloads


@in_loop
async def test_what_waits_is_cancelled_at_once(url: str) -> None:
    async with connected(url) as connection:
        ids = await in_state(connection, "pending") + await in_state(connection, "scheduled", run_at="now()")
        ids += await in_state(connection, "suspended")
        assert await queries.cancel(connection, ids) == set(ids)
        row = (
            "SELECT DISTINCT status, completed_at IS NOT NULL, cancel_requested_at IS NOT NULL, run_at FROM executions"
        )
        assert await fetch(connection, row) == [("cancelled", True, True, None)]


@in_loop
async def test_what_has_ended_or_is_not_there_is_left_as_it_is(url: str) -> None:
    async with connected(url) as connection:
        ids = await in_state(connection, "completed") + await in_state(connection, "failed")
        before = await fetch(connection, "SELECT * FROM executions ORDER BY id")
        assert await queries.cancel(connection, [*ids, "job_nowhere"]) == set()
        assert await fetch(connection, "SELECT * FROM executions ORDER BY id") == before


@in_loop
async def test_a_workflow_of_version_1_is_left_alone(url: str) -> None:
    async with connected(url) as connection:
        (id,) = await in_state(connection, "pending")
        await fetch(connection, "UPDATE executions SET type = 'workflow'")
        assert await queries.cancel(connection, [id]) == set()


@in_loop
async def test_the_node_of_a_running_one_is_told_its_id(url: str) -> None:
    async with node(url) as connection:
        subscription = await subscribe(url, "tests", [node_channel(NODE), "q"])
        await enqueue(connection, new(), new(), new())
        first, second, third = (await claim(connection)).executions
        assert await complete(connection, [third]) == 1
        assert await queries.cancel(connection, [first.id, second.id, third.id]) == {first.id, second.id}
        assert sorted(await told(subscription, 2)) == sorted([f"cancel {first.id}", f"cancel {second.id}"])
        subscription.close()
        row = "SELECT status, cancel_requested_at IS NOT NULL, completed_at FROM executions WHERE id = %s"
        assert await fetch(connection, row, first.id) == [("running", True, None)]


@in_loop
async def test_it_may_end_well_before_it_is_told(url: str) -> None:
    async with node(url) as connection:
        await enqueue(connection, new())
        (held,) = (await claim(connection)).executions
        await queries.cancel(connection, [held.id])
        assert await complete(connection, [held]) == 1
        assert await one(connection, "SELECT status FROM executions") == "completed"


@in_loop
async def test_the_database_knows_which_of_those_that_run_are_to_be_cancelled(url: str) -> None:
    async with node(url) as connection:
        await enqueue(connection, *[new()] * 4)
        asked, ended, running, _ = (await claim(connection)).executions
        await queries.cancel(connection, [asked.id, ended.id])
        await queries.settle(connection, [Verdict(ended, Status.CANCELLED)])
        ids = [asked.id, ended.id, running.id, "job_nowhere"]
        assert await queries.cancels_asked(connection, ids) == {asked.id}
        assert await queries.cancels_asked(connection, []) == set()
