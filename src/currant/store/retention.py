"""What ended executions leave behind: deleted at their completion, or pruned later, in pieces."""

from collections.abc import Sequence
from typing import NamedTuple

from currant.executions import Execution
from currant.store import arrays, queries
from currant.store.connections import Connection
from currant.store.statements import execute, fetch, first_number, load

_DISCARD = load("discard")
_PRUNE = load("prune")
_PRUNE_DEAD = load("prune_dead")
_PRUNE_RANGES = load("prune_ranges")


class Keep(NamedTuple):
    """How long ended executions are kept, in seconds; infinity: for ever. A job's own word goes before it."""

    completed_s: float
    failed_s: float


class Range(NamedTuple):
    """Ids after `after`, up to `upto`."""

    after: str
    upto: str


class Pruned(NamedTuple):
    """What one piece did: rows deleted, rows looked at, where the next piece begins (None: the range is done)."""

    deleted: int
    seen: int
    after: str | None


async def discard(connection: Connection, executions: Sequence[Execution], results: Sequence[bytes]) -> int:
    """Deletes executions that succeeded; returns how many have their end now. A repetition changes nothing."""
    parameters = {
        "tids": arrays.tids([each.tid for each in executions]),
        "ids": arrays.texts([each.id for each in executions]),
        "leases": arrays.int8s([each.lease for each in executions]),
    }
    count = await execute(connection, _DISCARD, parameters)
    if count < len(executions):
        count += await queries.complete(connection, executions, results)
    return count


async def prune_ranges(connection: Connection, *, newest_s: float) -> list[Range]:
    """Returns where to look for executions that were made at least so many seconds ago."""
    ((first, upto, foreign_first, foreign_upto),) = await fetch(connection, _PRUNE_RANGES, {"newest_s": newest_s})
    return [Range(first, upto), Range(foreign_first, foreign_upto)]


async def prune(connection: Connection, where: Range, *, keep: Keep, rows: int) -> Pruned:
    """Deletes what is to go among the next `rows` executions of the range."""
    parameters = {"after": where.after, "upto": where.upto, "rows": rows, **keep._asdict()}
    ((deleted, seen, last),) = await fetch(connection, _PRUNE, parameters, count=first_number)
    return Pruned(deleted, seen, last if seen == rows else None)


async def prune_dead(connection: Connection, *, keep: Keep, rows: int) -> int:
    """Deletes dead letters as old as failed executions get, at most `rows`; returns how many."""
    return await execute(connection, _PRUNE_DEAD, {"failed_s": keep.failed_s, "rows": rows})
