"""One typed function for each statement of the bench: what it asks of its own table, before and after a measurement."""

from importlib import resources
from typing import Any, NamedTuple

from currant.store.connections import Connection


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


class Batch(NamedTuple):
    """Executions completed by one transaction; when it began, and the first of them was claimed, in Unix seconds."""

    began_s: float
    claimed_s: float
    executions: int


def _statement(name: str) -> bytes:
    return resources.files("currant.store").joinpath("sql", f"bench_{name}.sql").read_bytes()


_VACUUM = _statement("vacuum")
_TALLY = _statement("tally")
_LATENCY = _statement("latency")
_BATCHES = _statement("batches")


async def vacuum(connection: Connection) -> None:
    """Vacuums and analyzes the table of executions."""
    await connection.execute(_VACUUM)


async def tally(connection: Connection, *, queue: str) -> Tally:
    """Counts a queue's executions by what became of them."""
    return Tally(*(await _rows(connection, _TALLY, {"queue": queue}))[0])


async def latency(connection: Connection, *, queue: str, warmup: int) -> Latency | None:
    """Returns the latencies without the first `warmup` executions; None when no other is completed."""
    (row,) = await _rows(connection, _LATENCY, {"queue": queue, "warmup": warmup})
    return Latency(*row) if row[4] else None


async def batches(connection: Connection, *, queue: str) -> list[Batch]:
    """Returns the batches of completions in order."""
    return [Batch(*row) for row in await _rows(connection, _BATCHES, {"queue": queue})]


async def _rows(connection: Connection, statement: bytes, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
    cursor = connection.cursor(binary=True)
    await cursor.execute(statement, parameters)
    return await cursor.fetchall()
