"""What people ask of the database and tell it to do: lists, single executions, dead letters, retries."""

import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, NamedTuple

import msgspec
import psycopg

from currant.errors import DatabaseError, DatabaseUnreachable, StatementRefused
from currant.records import DeadLetter, Listed, Pause, Queue, Record, Retried
from currant.store import connections, migrate
from currant.store.connections import Connection, one_line
from currant.store.statements import execute, fetch, load

#: Nobody waits longer in front of a terminal; and no statement of a person's may burden the database for longer.
STATEMENT_S = 30
#: How many rows one statement of a walk looks at: the first piece small, for what is wanted is mostly among the newest.
LOOK_FIRST, LOOK = 1_000, 20_000
#: How many dead letters one transaction retries or deletes.
PIECE_ROWS = 1_000
QUEUES_MAX = 1_000
COUNT_MAX = 10_000

_GET = load("get")
_LIST = load("list_executions")
_QUEUES = load("list_queues")
_RETRY = load("retry")
_DEAD_LIST = load("dead_list")
_DEAD_FIND = load("dead_find")
_DEAD_PIECE = load("dead_piece")
_DEAD_DELETE = load("dead_delete")
_CLOCK = load("clock")


class Filter(NamedTuple):
    """Which executions or dead letters are meant; None: any. `function` may end with `*`, for all that begin so."""

    function: str | None = None
    queue: str | None = None

    def parameters(self) -> dict[str, Any]:
        function = self.function
        prefix = function[:-1] if function is not None and function.endswith("*") else None
        return {"function": function if prefix is None else None, "prefix": prefix, "queue": self.queue}


class Found(NamedTuple):
    """What a list brought. Not `complete`: the time was over before enough was found; `seen` were looked at."""

    executions: list[Listed]
    complete: bool
    seen: int


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Connection]:
    """Gives a connection for a command, to a schema of our version, and says the driver's errors as ours.

    Raises:
        DatabaseUnreachable: no server answers, or the connection was lost.
        SchemaError: there is no schema, or one of another version.
        DatabaseError: the server refuses.
    """
    # Hot: what walks an index in pieces, or probes it by ids, must not become a scan of the table.
    connection = await connections.connect(url, "currant", hot=True)
    try:
        with told(url):
            await limit(connection)
            await migrate.check(connection)
            yield connection
    finally:
        connection.pgconn.finish()


async def limit(connection: Connection) -> None:
    """Lets no statement of the connection take longer than a person waits for it."""
    await connection.execute(f"SET statement_timeout = '{STATEMENT_S}s'; SET lock_timeout = '10s'")


@contextmanager
def told(url: str) -> Iterator[None]:
    """A context in which the driver's errors are said as ours. Raises DatabaseError."""
    try:
        yield
    except psycopg.errors.QueryCanceled:
        raise DatabaseError(f"the database did not answer within {STATEMENT_S} s: ask for less, or later") from None
    except psycopg.errors.LockNotAvailable:
        raise DatabaseError("another transaction holds one of the rows for longer than 10 s: try again later") from None
    except psycopg.Error as error:
        if connections.is_passing(error):
            raise DatabaseUnreachable(f"{connections.describe(url)}: {one_line(error)}") from None
        raise StatementRefused(connections.refusal(error)) from None


async def clock_s(connection: Connection) -> float:
    """Returns the database's clock, in Unix time."""
    ((now_s,),) = await fetch(connection, _CLOCK, {})
    return float(now_s)


async def get(connection: Connection, id: str) -> Record | None:
    """Returns one execution, or None."""
    found = await fetch(connection, _GET, {"id": id})
    if not found:
        return None
    values = list(found[0])
    for column in (8, 9, 10, 11):
        values[column] = _decoded(values[column])
    return Record(*values)


async def list_executions(
    connection: Connection,
    which: Filter,
    *,
    statuses: Sequence[str] = (),
    since_s: float | None = None,
    rows: int,
    within_s: float,
    clock: Callable[[], float] = time.monotonic,
) -> Found:
    """Returns the newest executions by id that match, at most `rows`; looks for them in bounded pieces.

    Args:
        statuses: any of these; none: any at all.
        since_s: enqueued at most so many seconds ago.
        within_s: after so many seconds no further piece is looked at.
    """
    end = clock() + within_s
    parameters = {"statuses": list(statuses) or None, "since_s": since_s, **which.parameters()}
    executions: list[Listed] = []
    upto: str | None = None
    look, seen = LOOK_FIRST, 0
    while True:
        wanted = {"upto": upto, "look": look, "rows": rows - len(executions)}
        found = await fetch(connection, _LIST, parameters | wanted)
        executions += [Listed(*row[:14]) for row in found if row[0] is not None]
        seen += found[0][14]
        upto = found[0][15]
        if upto is None or len(executions) >= rows:
            return Found(executions, True, seen)
        if clock() >= end:
            return Found(executions, False, seen)
        look = LOOK


async def list_queues(connection: Connection, *, heartbeat_timeout_s: float) -> list[Queue]:
    """Returns the queues that hold something, are served by a node whose heartbeat is not older, or are paused."""
    parameters = {"names": QUEUES_MAX, "rows": COUNT_MAX, "timeout_s": heartbeat_timeout_s}
    return [
        Queue(
            name=name,
            pending=min(pending, COUNT_MAX),
            pending_cut=pending > COUNT_MAX,
            scheduled=min(scheduled, COUNT_MAX),
            scheduled_cut=scheduled > COUNT_MAX,
            oldest_pending_at=oldest,
            next_run_at=next_run_at,
            nodes=nodes,
            parked=min(parked, COUNT_MAX),
            parked_cut=parked > COUNT_MAX,
            pause=None if paused_at is None else Pause(name, paused_at, paused_by, reason),
        )
        for name, pending, scheduled, parked, oldest, next_run_at, nodes, paused_at, paused_by, reason in await fetch(
            connection, _QUEUES, parameters
        )
    ]


async def retry(connection: Connection, ids: Sequence[str], letters: Sequence[str] = ()) -> list[Retried]:
    """Makes failed and cancelled executions pending again, with all their retries, and removes their dead letters.

    Args:
        letters: the ids of the dead letters that may be removed; see `find_dead`.

    Returns:
        One for each different id, in the order of `ids`.
    """
    found = await fetch(connection, _RETRY, {"ids": list(ids), "letters": list(letters)})
    known = {row[0]: Retried(*row[:4]) for row in found}
    return [known.get(id) or Retried(id, None, None, False) for id in dict.fromkeys(ids)]


async def list_dead(connection: Connection, which: Filter, *, rows: int) -> list[DeadLetter]:
    """Returns the newest dead letters that match, without their executions' rows."""
    return [DeadLetter(*row) for row in await fetch(connection, _DEAD_LIST, {"rows": rows, **which.parameters()})]


async def find_dead(connection: Connection, ids: Sequence[str]) -> list[DeadLetter]:
    """Returns the dead letters with these ids, their own or their executions', the newest first."""
    found = await fetch(connection, _DEAD_FIND, {"ids": list(ids)})
    return [DeadLetter(*[*row[:8], _decoded(row[8])]) for row in found]


async def walk_dead(
    connection: Connection, which: Filter, *, older_s: float = 0.0
) -> AsyncIterator[list[tuple[str, str]]]:
    """Gives the dead letters that match and failed before now, in pieces, each as its id and its execution's."""
    after: str | None = ""
    until: str | None = None
    while after is not None:
        parameters = {"after": after, "until": until, "look": PIECE_ROWS, "older_s": older_s, **which.parameters()}
        found = await fetch(connection, _DEAD_PIECE, parameters)
        after, until = found[0][2:4]
        letters = [(id, execution_id) for id, execution_id, _, _ in found if id is not None]
        if letters:
            yield letters


async def delete_dead(connection: Connection, ids: Sequence[str]) -> int:
    """Deletes dead letters; returns how many."""
    return await execute(connection, _DEAD_DELETE, {"ids": list(ids)})


def _decoded(value: bytes | None) -> Any:
    # In binary form jsonb begins with its version.
    return None if value is None else msgspec.json.decode(value[1:])
