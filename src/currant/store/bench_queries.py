"""One typed function for each statement of the bench: what it asks of its own table, before and after a measurement."""

from typing import NamedTuple

from currant.store.connections import Connection
from currant.store.statements import execute, fetch, load


class Tally(NamedTuple):
    """What became of the executions; `doubled` ones were claimed more than once."""

    completed: int
    doubled: int


class Latency(NamedTuple):
    """In milliseconds, over so many executions; `seconds` are from the first enqueued to the last completed."""

    p50: float
    p95: float
    p99: float
    max: float
    executions: int
    seconds: float


class Inside(NamedTuple):
    """How many executions were enqueued, and the seconds between the first and the last."""

    executions: int
    seconds: float


class Batch(NamedTuple):
    """Executions completed by one transaction; when it began, and the first of them was claimed, in Unix seconds."""

    began_s: float
    claimed_s: float
    executions: int


_INSIDE = load("bench_inside")
_CLEAR = load("bench_clear")
_VACUUM = load("bench_vacuum")
_TALLY = load("bench_tally")
_LATENCY = load("bench_latency")
_BATCHES = load("bench_batches")
_ENQUEUE_ONE = load("enqueue_one")
_FILL = load("bench_fill")
_FLUSH = load("bench_flush")
_TOUCHED = load("bench_touched")


async def vacuum(connection: Connection) -> None:
    """Vacuums and analyzes the table of executions."""
    await connection.execute(_VACUUM.text)


async def clear(connection: Connection) -> None:
    """Removes all executions."""
    await connection.execute(_CLEAR.text)


async def inside(connection: Connection, *, queue: str) -> Inside:
    """Counts what a queue has been given."""
    return Inside(*(await fetch(connection, _INSIDE, {"queue": queue}))[0])


async def tally(connection: Connection, *, queue: str) -> Tally:
    """Counts a queue's executions by what became of them."""
    return Tally(*(await fetch(connection, _TALLY, {"queue": queue}))[0])


async def latency(connection: Connection, *, queue: str, warmup: int) -> Latency | None:
    """Returns the latencies without the first `warmup` executions; None when no other is completed."""
    (row,) = await fetch(connection, _LATENCY, {"queue": queue, "warmup": warmup})
    return Latency(*row) if row[4] else None


async def batches(connection: Connection, *, queue: str) -> list[Batch]:
    """Returns the batches of completions in order."""
    return [Batch(*row) for row in await fetch(connection, _BATCHES, {"queue": queue})]


async def insert_one(connection: Connection, id: str, *, function: str, queue: str) -> None:
    """Runs the statement of a single enqueue and nothing else, as plain code over psycopg would."""
    parameters = {
        "id": id, "function": function, "queue": queue, "priority": 5, "args": "[]", "kwargs": "{}", "options": "{}",
        "retries": 3, "timeout_s": None,
    }  # fmt: skip
    await connection.execute(_ENQUEUE_ONE.text, parameters, prepare=True)


async def fill(connection: Connection, *, function: str, queue: str, first: int, last: int) -> None:
    """Adds pending executions, made by the server, whose ids hold the numbers from `first` to `last`."""
    parameters = {"function": function, "queue": queue, "first": first, "last": last}
    await execute(connection, _FILL, parameters)


async def touched(connection: Connection) -> int:
    """Returns how many pages of the table and its indexes were looked at so far, by this session's statements too."""
    await fetch(connection, _FLUSH, {})
    ((pages,),) = await fetch(connection, _TOUCHED, {})
    return int(pages)
