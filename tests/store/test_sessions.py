"""Connections and sessions: what is told of a failure, and that the next statement works again."""

import asyncio
from pathlib import Path

import psycopg
import pytest
from psycopg import conninfo

from currant.errors import ConfigurationError, DatabaseError, DatabaseUnreachable, NoAnswer, StatementRefused
from currant.store import channels, connections
from currant.store.connections import Connection, Session, Standing
from currant.store.scratch import scratch_database, within
from tests.store.support import backend_pid, connected, fetch, heard, one, terminate, until
from tests.support import in_loop

PASSWORD = "s3cret"


def test_a_description_names_the_place_and_never_the_password() -> None:
    for url in (
        f"postgresql://anna:{PASSWORD}@db.example:5433/shop",
        f"host=db.example port=5433 user=anna password={PASSWORD} dbname=shop",
        f"postgresql://db.example:5433/shop?user=anna&password={PASSWORD}",
    ):
        assert connections.describe(url) == "shop at db.example:5433"
    assert connections.describe(f"postgresql://anna:{PASSWORD}@/?host=/run/pg") == "anna at /run/pg"
    assert connections.describe("postgresql://") == "the default database at the default host"


@pytest.mark.parametrize("url", ["postgresql://[bad", "nonsense", "postgresql://h/d?nothing=1", "host=a port"])
def test_an_address_that_cannot_be_read_is_refused_with_its_form(url: str) -> None:
    with pytest.raises(ConfigurationError, match="write it as postgresql://user:password@host:5432/database"):
        connections.check_url(url)


def test_an_address_that_can_be_read_is_returned() -> None:
    assert connections.check_url("postgresql://h/d") == "postgresql://h/d"


@in_loop
async def test_without_a_server_it_is_unreachable(tmp_path: Path) -> None:
    for url in (
        f"postgresql://anna:{PASSWORD}@/shop?host={tmp_path}",
        f"postgresql://anna:{PASSWORD}@127.0.0.1:1/shop",
    ):
        with pytest.raises(DatabaseUnreachable) as caught:
            await connections.connect(url, "tests")
        assert str(caught.value).startswith("shop at ")
        assert PASSWORD not in str(caught.value)
        assert "\n" not in str(caught.value)


@in_loop
async def test_a_database_or_an_account_that_does_not_exist_is_no_passing_trouble(url: str) -> None:
    for wrong in ({"dbname": "no_such_database"}, {"user": "no_such_user"}):
        with pytest.raises(DatabaseError) as caught:
            await connections.connect(conninfo.make_conninfo(url, **wrong), "tests")
        assert not isinstance(caught.value, DatabaseUnreachable)


@in_loop
async def test_a_connection_carries_its_name_and_a_hot_one_its_settings(url: str) -> None:
    async with connected(url) as connection:
        assert await one(connection, "SHOW application_name") == "currant tests"
        assert await one(connection, "SHOW plan_cache_mode") == "force_generic_plan"
    async with connected(url, hot=False) as connection:
        assert await one(connection, "SHOW plan_cache_mode") == "auto"


def test_what_the_address_says_itself_counts() -> None:
    parts = conninfo.conninfo_to_dict(connections.conninfo_of("postgresql://h/d?application_name=mine", "ours"))
    assert parts["application_name"] == "mine"
    assert parts["keepalives_idle"] == "5"


class Watched:
    """A session, and what it told."""

    def __init__(self, url: str, *, hot: bool = False) -> None:
        self.told: list[str] = []
        self.session = Session(
            url,
            "a session",
            hot=hot,
            lost=lambda name, reason: self.told.append(f"lost {name}: {reason}"),
            regained=lambda name, seconds: self.told.append(f"regained {name}"),
        )


@in_loop
async def test_a_session_keeps_one_connection(url: str) -> None:
    watched = Watched(url)
    assert await watched.session.once(backend_pid) == await watched.session.once(backend_pid)
    await watched.session.close()
    assert watched.told == []


@in_loop
async def test_after_its_connection_was_ended_a_session_works_again_and_told_so_once(url: str) -> None:
    watched = Watched(url)
    session = watched.session
    async with connected(url) as other:
        for _ in range(2):
            watched.told.clear()
            await terminate(other, await session.once(backend_pid))
            with pytest.raises(DatabaseUnreachable):
                await session.once(backend_pid)
            assert await session.once(backend_pid) > 0
            assert await session.once(backend_pid) > 0
            assert [each.split(":")[0] for each in watched.told] == ["lost a session", "regained a session"]
    await session.close()


@in_loop
async def test_a_session_that_insists_does_not_fail_for_what_passes(url: str) -> None:
    watched = Watched(url)
    async with connected(url) as other:
        before = await watched.session.insist(backend_pid)
        await terminate(other, before)
        assert await watched.session.insist(backend_pid) != before
    assert len(watched.told) == 2
    await watched.session.close()


@in_loop
async def test_one_loss_is_told_once_however_long_it_lasts(tmp_path: Path) -> None:
    watched = Watched(f"postgresql:///shop?host={tmp_path}")
    for _ in range(3):
        with pytest.raises(DatabaseUnreachable):
            await watched.session.once(backend_pid)
    assert len(watched.told) == 1
    assert "\n" not in watched.told[0]


@in_loop
async def test_a_wrong_statement_is_no_loss(url: str) -> None:
    watched = Watched(url)
    pid = await watched.session.once(backend_pid)
    with pytest.raises(StatementRefused, match="nothing_of_the_kind"):
        await watched.session.once(lambda connection: fetch(connection, "SELECT FROM nothing_of_the_kind"))
    with pytest.raises(StatementRefused, match="division by zero"):
        await watched.session.insist(lambda connection: fetch(connection, "SELECT 1 / 0"))
    assert await watched.session.once(backend_pid) == pid
    assert watched.told == []
    await watched.session.close()


@in_loop
async def test_a_read_only_server_is_trouble_that_may_pass(url: str) -> None:
    watched = Watched(url)

    async def write_read_only(connection: Connection) -> None:
        await fetch(connection, "SET default_transaction_read_only = on")
        await fetch(connection, "DELETE FROM executions")

    with pytest.raises(DatabaseUnreachable):
        await watched.session.once(write_read_only)
    # On a new connection, which may lead to another server.
    await watched.session.once(lambda connection: fetch(connection, "DELETE FROM executions"))
    assert len(watched.told) == 2
    await watched.session.close()


@in_loop
@pytest.mark.parametrize("state", ["40001", "40P01"], ids=["serialization failure", "deadlock"])
async def test_what_the_server_ends_for_the_sake_of_another_is_tried_again_on_the_same_connection(
    url: str, state: str
) -> None:
    watched = Watched(url)
    pid = await watched.session.once(backend_pid)
    tries: list[int] = []

    async def conflicting(connection: Connection) -> int:
        tries.append(await backend_pid(connection))
        if len(tries) < 4:
            await fetch(connection, f"DO $$ BEGIN RAISE EXCEPTION 'a conflict' USING ERRCODE = '{state}'; END $$")
        return len(tries)

    assert await watched.session.once(conflicting) == 4
    assert tries == [pid] * 4
    assert watched.told == []
    await watched.session.close()


@in_loop
async def test_a_conflict_without_an_end_is_trouble_that_may_pass(url: str) -> None:
    watched = Watched(url)

    async def conflicting(connection: Connection) -> None:
        await fetch(connection, "DO $$ BEGIN RAISE EXCEPTION 'a conflict' USING ERRCODE = '40001'; END $$")

    with pytest.raises(DatabaseUnreachable, match="a conflict"):
        await watched.session.once(conflicting)
    assert len(watched.told) == 1


@in_loop
async def test_a_server_that_takes_no_writes_is_none_for_a_session(url: str) -> None:
    options = conninfo.conninfo_to_dict(url).get("options", "")
    read_only = conninfo.make_conninfo(url, options=f"{options} -c default_transaction_read_only=on")
    watched = Watched(read_only)
    with pytest.raises(DatabaseUnreachable, match="read-only"):
        await watched.session.once(backend_pid)
    with pytest.raises(DatabaseUnreachable, match="read-only"):
        await channels.subscribe(read_only, "listen", ["q"])
    # What only reads may read there.
    connection = await connections.connect(read_only, "tests")
    assert await one(connection, "SHOW transaction_read_only") == "on"
    await connection.close()


@in_loop
async def test_a_session_that_gets_no_answer_gives_its_connection_up(url: str) -> None:
    told: list[str] = []
    session = Session(url, "s", lost=lambda _, why: told.append(why), regained=lambda *_: None, statement_s=0.3)
    with pytest.raises(NoAnswer, match=r"no answer within 0\.3 s"):
        await session.once(lambda connection: fetch(connection, "SELECT pg_sleep(60)"))
    assert told == ["no answer within 0.3 s"]
    # Not at the first try, where the machine stalls for so long.
    assert await session.insist(backend_pid)
    await session.close()


@in_loop
async def test_once_the_server_has_let_one_session_in_a_refusal_may_pass_for_all(url: str) -> None:
    standing = Standing()
    well = Session(url, "a", lost=lambda *_: None, regained=lambda *_: None, standing=standing)
    wrong = conninfo.make_conninfo(url, user="no_such_user")
    other = Session(wrong, "b", lost=lambda *_: None, regained=lambda *_: None, standing=standing)
    with pytest.raises(DatabaseError) as caught:
        await other.once(backend_pid)
    assert not isinstance(caught.value, DatabaseUnreachable)
    await well.once(backend_pid)
    with pytest.raises(DatabaseUnreachable):
        await other.once(backend_pid)
    await well.close()


@in_loop
async def test_a_session_can_be_cancelled_and_used_again(url: str) -> None:
    watched = Watched(url)
    pid = await watched.session.once(backend_pid)
    waiting = asyncio.create_task(watched.session.once(lambda connection: fetch(connection, "SELECT pg_sleep(60)")))
    async with connected(url) as other:
        await until(other, "(SELECT wait_event = 'PgSleep' FROM pg_stat_activity WHERE pid = %s)", pid)
        waiting.cancel()
        await asyncio.wait([waiting])
        assert waiting.cancelled()
        assert await watched.session.once(lambda connection: one(connection, "SELECT 5")) == 5
    await watched.session.close()


# channels


@in_loop
async def test_a_subscription_hears_its_queues_and_its_own_channel_and_no_other(url: str) -> None:
    own = channels.node_channel("node_a")
    strange = 'Quoted "name"; ä'
    subscription = await channels.subscribe(url, "listen", ["q", strange, own])
    async with connected(url) as connection:
        for name in ("other", "q", strange, channels.node_channel("node_b")):
            await fetch(connection, "SELECT pg_notify(%s, '')", name)
        await fetch(connection, "SELECT pg_notify(%s, '')", own)
    assert await heard(subscription, lambda names: own in names) == {"q", strange, own}
    subscription.close()


@in_loop
async def test_a_queue_whose_name_is_too_long_for_a_channel_does_not_break_the_others(url: str) -> None:
    subscription = await channels.subscribe(url, "listen", ["ä" * 32, "q" * 63])
    async with connected(url) as connection:
        await fetch(connection, "SELECT pg_notify(%s, '')", "q" * 63)
    assert await heard(subscription, bool) == {"q" * 63}
    subscription.close()


@in_loop
async def test_a_subscription_to_nothing_works(url: str) -> None:
    (await channels.subscribe(url, "listen", [])).close()


@in_loop
async def test_a_subscription_whose_connection_was_ended_raises(url: str) -> None:
    subscription = await channels.subscribe(url, "listen ended", ["q"])
    async with connected(url) as connection:
        pid = await one(connection, "SELECT pid FROM pg_stat_activity WHERE application_name = 'listen ended'")
        await terminate(connection, pid)
    with pytest.raises(DatabaseUnreachable):
        await heard(subscription, bool)
    subscription.close()


@in_loop
async def test_a_subscription_without_a_server_raises(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnreachable):
        await channels.subscribe(f"postgresql:///shop?host={tmp_path}", "listen", ["q"])


# scratch


@in_loop
async def test_a_scratch_schema_on_a_user_s_database_is_its_own_and_is_removed(url: str) -> None:
    count = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'currant_bench_%'"
    async with connected(url) as connection:
        before = await one(connection, count)
        with scratch_database(url, "bench") as scratch:
            assert await one(connection, count) == before + 1
            with psycopg.connect(scratch.url, autocommit=True) as inside:
                inside.execute("CREATE TABLE executions ()")
                schema = inside.execute("SELECT current_schema()").fetchone()
            assert schema is not None
            assert schema[0].startswith("currant_bench_")
            assert schema[0] in scratch.line
        assert await one(connection, count) == before
        # The user's own tables are as they were.
        assert await one(connection, "SELECT count(*) FROM executions") == 0


@in_loop
async def test_a_scratch_schema_is_removed_after_a_failure_too(url: str) -> None:
    count = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'currant_bench_%'"
    async with connected(url) as connection:
        before = await one(connection, count)
        with pytest.raises(ZeroDivisionError), scratch_database(url, "bench"):
            raise ZeroDivisionError
        assert await one(connection, count) == before


def test_a_scratch_schema_without_a_server_is_told_so(tmp_path: Path) -> None:
    with (
        pytest.raises(DatabaseUnreachable, match="shop at "),
        scratch_database(f"postgresql:///shop?host={tmp_path}", "x"),
    ):
        pass


def test_options_in_the_address_are_kept() -> None:
    parts = conninfo.conninfo_to_dict(within("postgresql://h/d?options=-c%20jit%3Doff", "mine"))
    assert parts["options"] == "-c jit=off -c search_path=mine"
