"""A statement beyond its limit: given up where the limit holds, and known to hang where it does not."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from currant.errors import NoAnswer
from currant.store import connections
from currant.store.connections import Connection, Session
from tests.store.support import backend_pid, one
from tests.support import comes_true, in_loop


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """Stops a process of the server for a while."""
    process = Path(f"/proc/{pid}/comm")
    if not process.exists() or not process.read_text().startswith("postgres"):
        pytest.skip("the server runs elsewhere")
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def session(url: str) -> Session:
    return Session(
        url, "tests", lost=lambda name, reason: None, regained=lambda name, seconds: None, statement_s=0.2
    )  # fmt: skip


async def ask(connection: Connection) -> None:
    await one(connection, "SELECT 1")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "_NOTICE_S", 0.2)
    monkeypatch.setattr(connections, "OVERDUE_S", 0.2)


@in_loop
async def test_a_server_that_does_not_answer_is_no_hang(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # However late this process is itself.
    monkeypatch.setattr(connections, "OVERDUE_S", 60.0)
    one_session = session(url)
    pid = await one_session.once(backend_pid)
    with frozen(pid):
        with pytest.raises(NoAnswer):
            await one_session.once(ask)
        assert not one_session.overdue
        # Another process of the server answers.
        await one_session.insist(ask)
    assert not one_session.overdue
    await one_session.close()


@in_loop
async def test_a_statement_that_its_limit_does_not_end_hangs(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # As if the limit had no effect: the driver waits for the server, whatever it is told.
    monkeypatch.setattr(connections, "_cut", lambda connection: None)
    one_session = session(url)
    pid = await one_session.once(backend_pid)
    assert not one_session.overdue
    with frozen(pid):
        asking = asyncio.create_task(one_session.once(ask))
        await comes_true(lambda: one_session.overdue)
        assert not asking.done()
    with pytest.raises(NoAnswer):
        await asking
    assert not one_session.overdue
    await one_session.close()
