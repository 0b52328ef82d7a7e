"""What the store's tests share: a node, rows, and plain SQL to look at them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from psycopg import AsyncConnection

from currant.backends import NewExecution
from currant.executions import Execution
from currant.identifiers import new_ids
from currant.store import connections, queries
from currant.store import enqueue as store_enqueue
from currant.store.channels import Subscription, subscribe
from currant.store.connections import Connection

NODE = "node_a"
#: Ours, or an application's.
AnyConnection = AsyncConnection[tuple[Any, ...]]


#: Whether `claim` uses, for the head of one queue, the statement that is made for a backlog.
assumes_plenty = False


@asynccontextmanager
async def connected(url: str, *, hot: bool = True) -> AsyncIterator[Connection]:
    connection = await connections.connect(url, "currant tests", hot=hot)
    try:
        # A hot one waits for a lock for 100 ms, which the other statement may take on a machine that stalls.
        await connection.execute("SET lock_timeout = 0")
        yield connection
    finally:
        connection.pgconn.finish()


@asynccontextmanager
async def node(url: str, name: str = NODE) -> AsyncIterator[Connection]:
    """A hot connection of a node that is registered."""
    async with connected(url) as connection:
        await queries.register(connection, node=name, queues=["q"], metadata={})
        yield connection


def new(
    *,
    queue: str = "q",
    priority: int = 5,
    args: bytes = b"[]",
    kwargs: bytes = b"{}",
    options: bytes = b"{}",
    retries: int = 3,
    timeout_s: int | None = None,
    function: str = "app.f",
) -> NewExecution:
    return NewExecution(function, queue, priority, args, kwargs, options, retries, timeout_s)


async def enqueue(connection: Connection, *rows: NewExecution) -> list[str]:
    """Enqueues the rows, which share one created_at, and returns their ids, which sort in their order."""
    ids = new_ids(len(rows))
    await store_enqueue.enqueue(connection, ids, rows)
    return ids


async def claim(
    connection: Connection,
    rows: int = 500,
    *,
    node: str = NODE,
    queues: Sequence[str] = ("q",),
    look: int | None = None,
    bytes_max: int = 1 << 30,
    payload_bytes_max: int = 1 << 20,
    after: queries.Position | None = None,
    plenty: bool | None = None,
) -> queries.Claim:
    claimed = await queries.claim(
        connection, node=node, queues=queues, rows=rows, look=look or rows, bytes_max=bytes_max,
        payload_bytes_max=payload_bytes_max, after=after, plenty=assumes_plenty if plenty is None else plenty,
    )  # fmt: skip
    claimed = claimed._replace(executions=claimed.read(), unread=None)
    # Whichever statement it was, the claim is the same.
    return claimed._replace(in_vain=False) if plenty is None else claimed


async def complete(connection: Connection, executions: Sequence[Execution], result: bytes = b"1") -> int:
    return await queries.complete(connection, executions, [result] * len(executions))


async def fetch(connection: AnyConnection, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """Runs plain SQL of the test's own."""
    cursor = await connection.execute(statement.encode(), parameters or None)
    return await cursor.fetchall() if cursor.description else []


async def column(connection: Connection, statement: str, *parameters: Any) -> list[Any]:
    return [row[0] for row in await fetch(connection, statement, *parameters)]


async def one(connection: Connection, statement: str, *parameters: Any) -> Any:
    ((value,),) = await fetch(connection, statement, *parameters)
    return value


async def states(connection: Connection) -> dict[str, int]:
    """How many executions there are in each state."""
    return dict(await fetch(connection, "SELECT status, count(*) FROM executions GROUP BY status"))


async def in_state(connection: Connection, status: str, count: int = 1, **columns: str) -> list[str]:
    """Inserts rows as they are; `columns` are SQL expressions."""
    ids = new_ids(count)
    names = "".join(f", {name}" for name in columns)
    values = "".join(f", {value}" for value in columns.values())
    statement = (
        f"INSERT INTO executions (id, type, function_name, queue, status{names})"
        f" SELECT id, 'job', 'app.f', 'q', '{status}'{values} FROM unnest(%s::text[]) AS n (id)"
    )
    await fetch(connection, statement, ids)
    return ids


async def backend_pid(connection: Connection) -> int:
    return int(await one(connection, "SELECT pg_backend_pid()"))


async def until(connection: Connection, condition: str, *parameters: Any) -> None:
    """Returns when the condition, an SQL expression over the server's own views, is true."""
    while True:
        if await one(connection, f"SELECT {condition}", *parameters):
            return
        await asyncio.sleep(0.005)


async def terminate(connection: Connection, pid: int) -> None:
    """Ends another connection from the server's side, and returns when it has ended."""
    await fetch(connection, "SELECT pg_terminate_backend(%s)", pid)
    await until(connection, "NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = %s)", pid)


async def blocked(connection: Connection, pid: int) -> None:
    """Returns when the statement of this server process waits for a lock."""
    await until(connection, "cardinality(pg_blocking_pids(%s)) > 0", pid)


async def heard(subscription: Subscription, enough: Callable[[set[str]], bool]) -> set[str]:
    """Returns the channels that were notified, when they are enough."""
    came = asyncio.Event()
    loop, fd = asyncio.get_running_loop(), subscription.fileno()
    names: set[str] = set()
    loop.add_reader(fd, came.set)
    try:
        while not enough(names):
            await came.wait()
            came.clear()
            names |= subscription.receive().keys()
        return names
    finally:
        loop.remove_reader(fd)


class Ears:
    """Listens to some channels, to learn which were notified and which were not."""

    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription

    async def heard(self, connection: AnyConnection) -> set[str]:
        """Returns what was notified by everything that was committed before this call."""
        await fetch(connection, "SELECT pg_notify('the end', '')")
        return await heard(self._subscription, lambda names: "the end" in names) - {"the end"}


@asynccontextmanager
async def listening(url: str, *names: str) -> AsyncIterator[Ears]:
    subscription = await subscribe(url, "currant tests", [*names, "the end"])
    try:
        yield Ears(subscription)
    finally:
        subscription.close()
