"""A statement beyond its limit: given up where the limit holds, and known to hang where it does not."""

import asyncio

import pytest

from currant.errors import NoAnswer
from currant.store import connections
from currant.store.connections import Connection, Session
from tests.store.support import backend_pid, one
from tests.support import comes_true, frozen_backend, in_loop


def session(url: str) -> Session:
    return Session(
        url, "tests", lost=lambda name, reason: None, regained=lambda name, seconds: None, statement_s=0.2
    )  # fmt: skip


async def ask(connection: Connection) -> None:
    await one(connection, "SELECT 1")


@in_loop
async def test_a_server_that_does_not_answer_is_no_hang(url: str) -> None:
    one_session = session(url)
    pid = await one_session.once(backend_pid)
    with frozen_backend(pid):
        with pytest.raises(NoAnswer):
            await one_session.once(ask)
        assert not one_session.overdue
        # Another process of the server answers.
        await one_session.insist(ask)
    assert not one_session.overdue
    await one_session.close()


@in_loop
async def test_a_statement_that_its_limit_does_not_end_hangs(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # As if the limit had no effect.
    monkeypatch.setattr(connections, "_cut", lambda connection: None)
    monkeypatch.setattr(connections, "_NOTICE_S", 1000.0)
    monkeypatch.setattr(connections, "OVERDUE_S", -999.9)
    one_session = session(url)
    pid = await one_session.once(backend_pid)
    assert not one_session.overdue
    with frozen_backend(pid):
        asking = asyncio.create_task(one_session.once(ask))
        await comes_true(lambda: one_session.overdue)
        assert not asking.done()
    await asking
    assert not one_session.overdue
    await one_session.close()
