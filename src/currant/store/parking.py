"""Executions of functions that no module of the node registers: parked, until a node comes that knows them.

A parked execution is scheduled for a moment that never comes: one after the year 9000 that belongs to its function. So
a million of them stand behind everything else that is scheduled, where neither a promotion nor a look at what is due
next meets them; and a node finds those of its own functions with a probe of the index for each.
"""

import hashlib
from collections.abc import Sequence

from currant.executions import Execution
from currant.store import arrays
from currant.store.connections import Connection
from currant.store.statements import execute, fetch, first_number, load

#: The `type` in the error of a parked execution.
UNKNOWN_FUNCTION = "UnknownFunction"
#: Of each queue so many functions are counted.
FUNCTIONS_MAX = 20

_PARK = load("park")
_PARKED = load("parked")
_UNPARK = load("unpark")


def moment_of(function: str) -> float:
    """Returns when executions of the function are parked to: in seconds since the year 9000 began, at most 136 years.

    It must never change. Two functions may share a moment: that costs time and nothing else.
    """
    return float(int.from_bytes(hashlib.sha256(function.encode()).digest()[:4], "big"))


async def park(connection: Connection, executions: Sequence[Execution]) -> int:
    """Parks executions of functions that this node does not know; returns how many. A repetition changes nothing."""
    parameters = {
        "ids": arrays.texts([each.id for each in executions]),
        "leases": arrays.int8s([each.lease for each in executions]),
        "moments": arrays.optional_float8s([moment_of(each.function) for each in executions]),
    }
    return await execute(connection, _PARK, parameters)


async def parked(connection: Connection, *, queues: Sequence[str], rows: int) -> dict[str, int]:
    """Returns how many executions are parked, by function, counted up to `rows` of each queue and function."""
    parameters = {"queues": list(queues), "functions": FUNCTIONS_MAX, "rows": rows}
    return dict(await fetch(connection, _PARKED, parameters))


async def unpark(connection: Connection, *, queues: Sequence[str], functions: Sequence[str], rows: int) -> int:
    """Makes parked executions of these functions pending, at most `rows`; returns how many."""
    parameters = {
        "queues": list(queues),
        "functions": arrays.texts(functions),
        "moments": arrays.optional_float8s([moment_of(function) for function in functions]),
        "rows": rows,
    }
    ((unparked, _),) = await fetch(connection, _UNPARK, parameters, count=first_number)
    return int(unparked)
