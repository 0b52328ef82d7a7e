"""One typed function for each statement of the bench: what it asks of its own table, before and after a measurement."""

from array import array
from collections.abc import Sequence
from typing import NamedTuple

from currant.store.connections import Connection
from currant.store.statements import execute, fetch, load


class Tally(NamedTuple):
    """What became of the executions."""

    completed: int
    #: For good.
    failed: int
    #: Neither; they wait, also for a retry, or somebody has them.
    left: int
    #: Runs after the first, of those that have ended.
    retries: int
    #: Have ended after more runs than they needed: attempted more often, or met a crash.
    doubled: int
    #: Have ended otherwise than they were meant to, or after fewer runs.
    amiss: int


class Outcomes(NamedTuple):
    """The executions that have ended, in the order of their ends; moments in Unix time, NaN for none.

    `started_s` is by the clock of the machine that ran them, the others by the database's. `completed_s`, of failed
    ones too, is the beginning of the transaction that wrote the end.
    """

    #: None were asked for when it is empty.
    ids: list[str]
    created_s: "array[float]"
    claimed_s: "array[float]"
    started_s: "array[float]"
    completed_s: "array[float]"


class Inside(NamedTuple):
    """How many executions were enqueued, and the seconds between the first and the last."""

    executions: int
    seconds: float


class Upkeep(NamedTuple):
    """Versions of rows that are alive and dead, as the server estimates, and how often autovacuum has come."""

    live: int
    dead: int
    autovacuums: int


_INSIDE = load("bench_inside")
_CLEAR = load("bench_clear")
_VACUUM = load("bench_vacuum")
_TALLY = load("bench_tally")
_OUTCOMES = load("bench_outcomes")
_RECENT = load("bench_recent")
_CLOCK = load("clock")
_ENQUEUE_ONE = load("enqueue_one")
#: Turned into Python objects at a time.
_ROWS = 10_000
_FILL = load("bench_fill")
_FLUSH = load("bench_flush")
_TOUCHED = load("bench_touched")
_UPKEEP = load("bench_upkeep")
_CONNECTIONS = load("bench_connections")


async def vacuum(connection: Connection) -> None:
    """Vacuums and analyzes the table of executions."""
    await connection.execute(_VACUUM.text)


async def clear(connection: Connection) -> None:
    """Removes all executions."""
    await connection.execute(_CLEAR.text)


async def inside(connection: Connection, *, queue: str) -> Inside:
    """Counts what a queue has been given."""
    return Inside(*(await fetch(connection, _INSIDE, {"queue": queue}))[0])


async def tally(connection: Connection, *, queues: Sequence[str], failing: str = "") -> Tally:
    """Counts the queues' executions by what became of them.

    Args:
        failing: the function whose executions are meant to fail for good when their first argument is true.
    """
    return Tally(*(await fetch(connection, _TALLY, {"queues": list(queues), "failing": failing}))[0])


async def outcomes(connection: Connection, *, queues: Sequence[str], ids: bool = False) -> Outcomes:
    """Returns the moments of all executions of the queues that have ended.

    Args:
        ids: their ids as well, which are most of its size.
    """
    found = Outcomes([], array("d"), array("d"), array("d"), array("d"))
    cursor = connection.cursor(binary=True)
    await cursor.execute(_OUTCOMES.text, {"queues": list(queues), "ids": ids})
    # The moments in 8 bytes each: there may be millions.
    while rows := await cursor.fetchmany(_ROWS):
        ids_of, *moments = zip(*rows, strict=True)
        if ids:
            found.ids.extend(ids_of)
        for column, values in zip(found[1:], moments, strict=True):
            column.extend(values)
    return found


async def recent(connection: Connection, *, rows: int) -> list[float]:
    """Returns the latencies, or the ages, of so many executions that were enqueued last, in milliseconds."""
    return [float(ms) for (ms,) in await fetch(connection, _RECENT, {"rows": rows})]


async def clock(connection: Connection) -> float:
    """Returns the database's clock, in Unix time."""
    ((clock_s,),) = await fetch(connection, _CLOCK, {})
    return float(clock_s)


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


async def upkeep(connection: Connection) -> Upkeep:
    """Returns what vacuum has before it in the table, and has done."""
    return Upkeep(*(await fetch(connection, _UPKEEP, {}))[0])


async def connections(connection: Connection) -> int:
    """Returns how many connections a currantd has here; those of every one that uses this database."""
    ((count,),) = await fetch(connection, _CONNECTIONS, {})
    return int(count)
