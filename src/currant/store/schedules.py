"""What a node does with the table of schedules: makes its own known, and fires what is due."""

from collections.abc import Sequence
from typing import NamedTuple

from currant.backends import NewExecution
from currant.identifiers import new_ids
from currant.store import arrays
from currant.store.connections import Connection
from currant.store.statements import fetch, load

_SYNC = load("sync_schedules")
_FIRE = load("fire_schedules")


class Plan(NamedTuple):
    """A schedule as its row says it: its next moment in Unix time, infinite for one that is held back by hand."""

    function: str
    cron: str
    timezone: str
    next_s: float


class Found(NamedTuple):
    """The schedules that are there.

    `fired`: the functions of those that were fired, `locked`: of those that someone else holds at the moment, and that
    are perhaps not any more as they are said to be here. `clock_s`: the database's clock, in Unix time; None with none.
    """

    plans: list[Plan]
    fired: list[str]
    locked: list[str]
    clock_s: float | None


async def sync(connection: Connection, plans: Sequence[Plan], executions: Sequence[NewExecution]) -> Found:
    """Makes schedules known.

    Args:
        plans: what the node says; `next_s` counts where the row, the expression or the time zone is new.
        executions: what each is to enqueue, in the same order.
    """
    parameters = _parameters(plans) | {
        "queues": arrays.texts([each.queue for each in executions]),
        "priorities": arrays.int8s([each.priority for each in executions]),
        "retries": arrays.int8s([each.max_retries for each in executions]),
        "timeouts": arrays.optional_float8s([each.timeout_s for each in executions]),
        "options": arrays.jsonbs([each.options for each in executions]),
        "nexts": arrays.optional_float8s([each.next_s for each in plans]),
    }
    return _found(await fetch(connection, _SYNC, parameters))


async def fire(connection: Connection, plans: Sequence[Plan], nexts: Sequence[float]) -> Found:
    """Fires those of the schedules that are due and still as these plans say; returns all of them as they are now.

    Repeated after a failure it fires nothing twice. A schedule that is left out has been removed.

    Args:
        nexts: the moment that follows, for each plan, in Unix time.
    """
    parameters = _parameters(plans) | {
        "moments": arrays.optional_float8s([each.next_s for each in plans]),
        "nexts": arrays.optional_float8s(nexts),
        "ids": arrays.texts(new_ids(len(plans))),
    }
    return _found(await fetch(connection, _FIRE, parameters))


def _parameters(plans: Sequence[Plan]) -> dict[str, object]:
    return {
        "functions": arrays.texts([each.function for each in plans]),
        "crons": arrays.texts([each.cron for each in plans]),
        "timezones": arrays.texts([each.timezone for each in plans]),
    }


def _found(rows: list[tuple[object, ...]]) -> Found:
    plans = [Plan(*row[:4]) for row in rows]  # type: ignore[arg-type]
    fired, locked = ([plan.function for plan, row in zip(plans, rows, strict=True) if row[at]] for at in (4, 5))
    return Found(plans, fired, locked, float(rows[0][6]) if rows else None)  # type: ignore[arg-type]
