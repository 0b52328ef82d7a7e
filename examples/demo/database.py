"""What the demo reads from the database, for its pictures and checks. An application needs none of this."""

from collections.abc import Awaitable
from typing import Any, NamedTuple, cast

import psycopg

from examples import shop

Connection = psycopg.AsyncConnection[tuple[Any, ...]]

_TALLIES = """
    SELECT
        function_name,
        count(*),
        count(*) FILTER (WHERE status = 'completed'),
        count(*) FILTER (WHERE status IN ('pending', 'running')),
        count(*) FILTER (WHERE status = 'scheduled'),
        count(*) FILTER (WHERE status = 'failed'),
        sum(attempt)
    FROM executions GROUP BY function_name
"""

_DEAD_LETTERS = """
    SELECT
        execution_data ->> 'function_name',
        count(*),
        failure_reason,
        execution_data -> 'error' ->> 'type',
        min(execution_data -> 'error' ->> 'message')
    FROM dead_letter_queue GROUP BY 1, 3, 4 ORDER BY 2 DESC
"""

_LATENCY_MS = """
    SELECT 1000 * extract(epoch FROM percentile_disc(%s) WITHIN GROUP (ORDER BY completed_at - created_at))
    FROM executions WHERE function_name = %s
"""

_SECONDS = """
    SELECT extract(epoch FROM max(completed_at) - min(created_at)) FROM executions WHERE function_name = %s
"""


class Tally(NamedTuple):
    """How many executions of one kind are in which state, and how often they were run."""

    enqueued: int = 0
    completed: int = 0
    waiting: int = 0
    retrying: int = 0
    failed: int = 0
    runs: int = 0


class DeadLetters(NamedTuple):
    """Executions of one kind that failed for the same reason."""

    kind: str
    number: int
    reason: str
    error: str
    example: str


async def connect(url: str) -> Connection:
    return await psycopg.AsyncConnection.connect(url, autocommit=True, application_name="currant demo")


async def nodes(connection: Connection) -> int:
    """Returns how many currantds work on this database."""
    return int(await _one(connection.execute("SELECT count(*) FROM worker_heartbeats WHERE status = 'running'")))


async def tallies(connection: Connection) -> dict[str, Tally]:
    """Returns the tally of each kind that has rows."""
    cursor = await connection.execute(_TALLIES)
    return {_kind(name): Tally(*counts) async for name, *counts in cursor}


async def dead_letters(connection: Connection) -> list[DeadLetters]:
    cursor = await connection.execute(_DEAD_LETTERS)
    return [DeadLetters(_kind(name), *rest) async for name, *rest in cursor]


async def latency_ms(connection: Connection, kind: str, share: float) -> float:
    """Returns in how many milliseconds after being enqueued the given share of a kind had completed."""
    return await _one(connection.execute(_LATENCY_MS, (share, _function(kind))))


async def seconds(connection: Connection, kind: str) -> float:
    """Returns the time from when the first of a kind was enqueued until the last had completed."""
    return await _one(connection.execute(_SECONDS, (_function(kind),)))


async def _one(query: Awaitable[psycopg.AsyncCursor[tuple[Any, ...]]]) -> float:
    row = await (await query).fetchone()
    return float(cast(tuple[Any, ...], row)[0])


def _function(kind: str) -> str:
    return f"{shop.__name__}.{kind}"


def _kind(function: str) -> str:
    return function.removeprefix(f"{shop.__name__}.")
