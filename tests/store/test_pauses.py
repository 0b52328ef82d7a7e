"""Queues that are paused: who may, what is told and to whom, and what the nodes' own statements make of it."""

import asyncio

import psycopg
import pytest

from currant.errors import StatementRefused
from currant.store import inspection, migrate, pauses, queries
from currant.store.channels import PAUSE, Subscription, subscribe
from currant.store.grants import Kind, grant_at
from currant.store.scratch import Scratch
from currant.store.steps import steps
from currant.store.survey import survey_at
from tests import version_1
from tests.conftest import empty_schema
from tests.roles import temporary_role
from tests.store.support import NODE, connected, enqueue, fetch, in_state, new, node
from tests.support import in_loop


@in_loop
async def test_a_pause_says_since_when_by_whom_and_why_and_a_second_changes_nothing(url: str) -> None:
    async with connected(url) as connection:
        first = await pauses.pause(connection, "q", by="ada@host", reason="the mail server is down")
        assert first.new
        assert (first.pause.queue, first.pause.paused_by, first.pause.reason) == (
            "q",
            "ada@host",
            "the mail server is down",
        )
        second = await pauses.pause(connection, "q", by="eve@host", reason=None)
        assert not second.new
        assert second.pause == first.pause
        await pauses.pause(connection, "p", by="eve@host", reason=None)
        assert [each.queue for each in await pauses.list_paused(connection)] == ["p", "q"]
        assert await pauses.paused_of(connection, ["q", "r"]) == ["q"]
        assert (await pauses.resume(connection, "q")).pause == first.pause
        assert (await pauses.resume(connection, "q")).pause is None
        assert [each.queue for each in await pauses.list_paused(connection)] == ["p"]


@in_loop
async def test_of_two_who_pause_at_once_one_does(url: str) -> None:
    async with connected(url) as one, connected(url) as other:
        found = await asyncio.gather(*(pauses.pause(each, "q", by="x", reason=None) for each in (one, other)))
        assert sorted(each.new for each in found) == [False, True]
        assert found[0].pause == found[1].pause


@in_loop
async def test_a_queue_is_known_that_a_node_serves_or_that_holds_something(url: str) -> None:
    async with connected(url) as connection:
        assert not (await pauses.pause(connection, "q", by="x", reason=None)).known
        assert not (await pauses.resume(connection, "q")).known
        await enqueue(connection, new())
        assert (await pauses.pause(connection, "q", by="x", reason=None)).known
        await fetch(connection, "UPDATE executions SET status = 'scheduled', run_at = now() + interval '1 h'")
        assert (await pauses.resume(connection, "q")).known
        await fetch(connection, "UPDATE executions SET status = 'completed', run_at = NULL")
        assert not (await pauses.resume(connection, "q")).known
        await queries.register(connection, node=NODE, queues=["p", "q"], metadata={})
        assert (await pauses.resume(connection, "q")).known


async def told(subscription: Subscription) -> dict[str, list[str]]:
    """Returns the channels that are notified next, with what they carry."""
    while not (channels := subscription.receive()):  # noqa: ASYNC110 - a socket
        await asyncio.sleep(0.005)
    return channels


@in_loop
async def test_pause_and_resume_are_told_on_the_queues_channel(url: str) -> None:
    async with connected(url) as connection:
        subscription = await subscribe(url, "currant tests", ["q"])
        try:
            await pauses.pause(connection, "q", by="x", reason=None)
            assert await told(subscription) == {"q": [PAUSE]}
            await pauses.resume(connection, "q")
            assert await told(subscription) == {"q": [PAUSE]}
            # As version 1's clients do.
            await fetch(connection, "NOTIFY q, 'job_1'")
            assert await told(subscription) == {"q": []}
        finally:
            subscription.close()


# A node's statements


@in_loop
async def test_a_node_learns_of_its_paused_queues_when_it_registers_and_with_each_tick(url: str) -> None:
    async with connected(url) as connection:
        for queue in ("p", "q", "another"):
            await pauses.pause(connection, queue, by="x", reason=None)
        found = await queries.register(connection, node=NODE, queues=["p", "q", "r"], metadata={})
        assert sorted(found.paused) == ["p", "q"]
        tick = await queries.tick(connection, node=NODE, queues=["p", "r"], timeout_s=30)
        assert list(tick.paused) == ["p"]


@in_loop
async def test_what_waits_in_a_paused_queue_is_no_work_and_what_is_due_there_is_promoted(url: str) -> None:
    async with node(url) as connection:
        await enqueue(connection, new())
        await pauses.pause(connection, "q", by="x", reason=None)
        tick = await queries.tick(connection, node=NODE, queues=["q", "r"], timeout_s=30)
        assert not tick.waiting
        await in_state(connection, "scheduled", 2, run_at="now() - interval '1 second'")
        tick = await queries.tick(connection, node=NODE, queues=["q", "r"], timeout_s=30)
        assert not tick.waiting
        assert tick.due_in_s is not None
        promotion = await queries.promote(connection, queues=["q", "r"], rows=10)
        assert (promotion.promoted, promotion.queues) == (2, ("q",))
        await enqueue(connection, new(queue="r"))
        assert (await queries.tick(connection, node=NODE, queues=["q", "r"], timeout_s=30)).waiting
        await pauses.resume(connection, "q")
        assert (await queries.tick(connection, node=NODE, queues=["q"], timeout_s=30)).waiting


@in_loop
async def test_the_list_of_queues_has_the_paused_ones(url: str) -> None:
    async with node(url) as connection, inspection.opened(url) as asking:
        served = await pauses.pause(connection, "q", by="ada@host", reason="why")
        await pauses.pause(connection, "nobody", by="x", reason=None)
        await enqueue(connection, new(queue="r"))
        nobody, q, r = await inspection.list_queues(asking, heartbeat_timeout_s=30)
        assert (nobody.name, nobody.pending, nobody.nodes) == ("nobody", 0, [])
        assert nobody.pause is not None
        assert (q.name, q.pause, q.nodes) == ("q", served.pause, [NODE])
        assert (r.name, r.pause) == ("r", None)


# The upgrade


def test_the_upgrade_from_version_3_touches_no_row(each_server: Scratch) -> None:
    rows = "SELECT id, xmin::text, ctid::text, 'executions'::regclass::oid FROM executions ORDER BY id"
    file = "SELECT pg_relation_filenode('executions')"
    with empty_schema(each_server) as url, psycopg.connect(url, autocommit=True) as connection:
        version_1.make(connection)
        version_1.fill(connection)
        for step in steps(1, 3):
            connection.execute(step.text.encode())
            connection.execute("INSERT INTO schema_migrations (version) VALUES (%s)", (step.version,))
        before = connection.execute(rows).fetchall(), connection.execute(file).fetchall()
        survey = asyncio.run(survey_at(url))
        assert (survey.before, survey.rewriting, survey.obstacles) == (3, [], [])
        # Of the others not even a lock that a running node would meet.
        with connection.transaction():
            connection.execute("LOCK TABLE worker_heartbeats, schedules IN ROW EXCLUSIVE MODE")
            assert asyncio.run(migrate.migrate_at(url)) == (3, migrate.VERSION)
        assert (connection.execute(rows).fetchall(), connection.execute(file).fetchall()) == before


# Privileges


@pytest.mark.parametrize("kind", list(Kind))
def test_a_node_s_role_may_pause_and_a_client_s_may_not(url: str, kind: Kind) -> None:
    async def pause_and_resume(as_role: str) -> bool:
        async with inspection.opened(as_role) as connection:
            await pauses.pause(connection, "q", by="x", reason=None)
            await pauses.list_paused(connection)
            return (await pauses.resume(connection, "q")).pause is not None

    with temporary_role(url) as role:
        asyncio.run(grant_at(url, role.name, kind, dry=False))
        if kind is Kind.NODE:
            assert asyncio.run(pause_and_resume(role.url))
        else:
            with pytest.raises(StatementRefused, match=r"permission denied for table paused_queues .*currant grant"):
                asyncio.run(pause_and_resume(role.url))
