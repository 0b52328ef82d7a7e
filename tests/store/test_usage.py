"""What is counted as sent is what was sent: libpq writes down each answer, and each says that the server is ready."""

import os
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from psycopg.pq import Trace

from currant.backends import NewExecution
from currant.client import DatabaseBackend
from currant.identifiers import new_ids
from currant.store import queries
from currant.store.channels import subscribe
from currant.store.connections import Connection, connect
from currant.store.enqueue import enqueue
from currant.store.usage import Usage
from tests.store.support import NODE, new
from tests.support import in_loop


def traced(connection: Connection, file: Path) -> Callable[[], int]:
    """Returns a function that tells how often the server has been ready for the next query since this call."""
    fd = os.open(file, os.O_WRONLY | os.O_CREAT)
    connection.pgconn.trace(fd)
    connection.pgconn.set_trace_flags(Trace.SUPPRESS_TIMESTAMPS)

    def count() -> int:
        connection.pgconn.untrace()
        os.close(fd)
        return file.read_text().count("ReadyForQuery")

    return count


@in_loop
async def test_every_answer_of_the_server_is_counted_once(url: str, tmp_path: Path) -> None:
    usage = Usage()
    connection = await connect(url, "currant tests", hot=True, usage=usage)
    try:
        assert usage.snapshot().keys() == {"connect", "session"}
        before, answers = usage.calls, traced(connection, tmp_path / "trace")
        await queries.register(connection, node=NODE, queues=["q"], metadata={})
        for _ in range(3):
            await enqueue(connection, new_ids(50), [new() for _ in range(50)])
        await enqueue(connection, new_ids(1), [new()])
        # What has a key goes into a transaction.
        await enqueue(connection, new_ids(2), [new(), keyed("k")])
        # Numbers of another size are of another type, for which the statement is prepared anew.
        for rows, look in [(1, 1), (2, 50_000), (100, 100)]:
            claim = await claimed(connection, rows, look)
            await queries.complete(connection, claim.executions, [b"null"] * rows)
        assert usage.calls - before == answers()
        use = usage.snapshot()
        assert (use["claim"].calls, use["claim"].rows) == (3, 103)
        assert (use["complete"].calls, use["complete"].rows) == (3, 103)
        assert (use["begin"].calls, use["enqueue_any"].calls, use["commit"].calls) == (1, 1, 1)
        assert use["enqueue"].calls == 3
        assert use["prepare"].calls == len({"register", "enqueue", "enqueue_one", "enqueue_any", "complete"}) + 2
        assert all(each.seconds > 0 for name, each in use.items() if name != "prepare")
    finally:
        await connection.close()


@in_loop
async def test_a_claim_of_nothing_has_no_rows_and_what_is_refused_was_sent(url: str) -> None:
    usage = Usage()
    connection = await connect(url, "currant tests", hot=True, usage=usage)
    try:
        await queries.register(connection, node=NODE, queues=["q"], metadata={})
        await claimed(connection, 10, 10)
        assert (usage["claim"].calls, usage["claim"].rows) == (1, 0)
        (id,) = new_ids(1)
        await enqueue(connection, [id], [new()])
        with pytest.raises(psycopg.errors.UniqueViolation):
            await enqueue(connection, [id], [new()])
        assert usage["enqueue_one"].calls == 2
        with pytest.raises(psycopg.errors.UniqueViolation):
            await enqueue(connection, [id], [keyed("k")])
        assert (usage["begin"].calls, usage["rollback"].calls, usage["commit"].calls) == (1, 1, 0)
    finally:
        await connection.close()


@in_loop
async def test_a_listen_is_counted(url: str) -> None:
    usage = Usage()
    (await subscribe(url, "currant tests", ["q", "r"], usage=usage)).close()
    assert {name: use.calls for name, use in usage.snapshot().items()} == {"connect": 1, "listen": 1}


@in_loop
async def test_an_applications_enqueues_are_counted(url: str) -> None:
    backend = DatabaseBackend(url, payload_bytes_max=1 << 20)
    try:
        assert backend.statements == {}
        for _ in range(3):
            await backend.enqueue([new()])
        await backend.enqueue([new(), new()])
        use = backend.statements
        assert (use["enqueue_one"].calls, use["enqueue"].calls, use["connect"].calls) == (3, 1, 1)
    finally:
        await backend.close()


def keyed(key: str) -> NewExecution:
    return NewExecution("app.f", "q", 5, b"[]", b"{}", b"{}", 3, None, unique_key=key)


async def claimed(connection: Connection, rows: int, look: int) -> queries.Claim:
    return await queries.claim(
        connection, node=NODE, queues=["q"], rows=rows, look=look, bytes_max=1 << 20, payload_bytes_max=1 << 20
    )
