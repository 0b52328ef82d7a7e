"""One typed function for each statement in `sql/`."""

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import psycopg

from currant.backends import Ended
from currant.executions import Execution, Status, Verdict
from currant.records import Schedule
from currant.store import arrays
from currant.store.channels import NODE_PREFIX, node_channel
from currant.store.connections import Connection
from currant.store.statements import Rows, execute, fetch, fetch_later, first_number, load


class Position(NamedTuple):
    """A place in the order of claims: that of one execution. `created_s` is in Unix time."""

    priority: int
    created_s: float
    id: str


class Unread(NamedTuple):
    """Executions that have arrived: to read them takes a while, in which the next claim can be under way."""

    size: int
    read: Callable[[], list[Execution]]


class Claim(NamedTuple):
    """What a claim brought: executions, or `unread` ones.

    `seen`: how many candidates it looked at; with 0 the queues were empty.

    `due_in_s`: seconds until the next scheduled execution, negative when overdue; looked up only by a claim that saw
    fewer candidates than it had rows for. `last`: where the last of them stood; None for one without a time.
    `in_vain`: the cheaper statement was tried first, and could not claim.
    """

    executions: list[Execution]
    alive: bool
    seen: int
    due_in_s: float | None = None
    last: Position | None = None
    in_vain: bool = False
    unread: Unread | None = None

    @property
    def size(self) -> int:
        """How many executions it brought."""
        return self.unread.size if self.unread else len(self.executions)

    def read(self) -> list[Execution]:
        """Returns the executions."""
        return self.unread.read() if self.unread else self.executions


class Tick(NamedTuple):
    """What the tick found; see tick.sql. `clock_s` and `schedule_s` are in Unix time, by the database's clock."""

    alive: bool
    due_in_s: float | None
    waiting: bool
    dead: bool
    clock_s: float
    schedule_s: float | None = None
    parked: bool = False
    paused: Sequence[str] = ()


class Promotion(NamedTuple):
    """What a promotion made pending: how many, and in which queues; and the seconds until the next is due."""

    promoted: int
    due_in_s: float | None
    queues: tuple[str, ...] = ()


class Registration(NamedTuple):
    """The database's clock, in Unix time, and which of the node's queues are paused."""

    clock_s: float
    paused: list[str]


_CLAIM = load("claim")
_CLAIM_FIRST = load("claim_first")
_COMPLETE = load("complete")
_COMPLETE_BY_ID = load("complete_by_id")
_SETTLE = load("settle")
_LATE = load("late")
_TICK = load("tick")
_PROMOTE = load("promote")
_REGISTER = load("register")
_DEREGISTER = load("deregister")
_DECLARE_DEAD = load("declare_dead")
_RECLAIMED = load("reclaimed")
_HELD = load("held")
_ENDED = load("ended")
_CANCEL = load("cancel")
_SCHEDULES = load("schedules")
_REMOVE_SCHEDULE = load("remove_schedule")
_PRESENT = load("present")
_CANCELS_ASKED = load("cancels_asked")
_TRANSACTION_ID = load("transaction_id")
_TRANSACTION_FATE = load("transaction_fate")
_SCHEMA_PRESENT = load("schema_present")
_SCHEMA_LATEST = load("schema_latest")


async def claim(
    connection: Connection,
    *,
    node: str,
    queues: Sequence[str],
    rows: int,
    look: int,
    bytes_max: int,
    payload_bytes_max: int,
    until_s: float = 1e12,
    discard: bool = False,
    after: Position | None = None,
    plenty: bool = False,
) -> Claim:
    """Claims at most `rows` executions, and no more after the summed size of their arguments passed `bytes_max`.

    Args:
        look: how many candidates to look at in each queue, at least `rows`.
        payload_bytes_max: larger arguments are left out: None.
        until_s: when the claim ends to be valid, in Unix time by the database's clock.
        discard: whether an execution whose options say nothing of it is deleted when it succeeds.
        after: only what stands behind this is looked at. None: everything.
        plenty: whether more waits than `rows`, as far as is known: of one queue's head it is claimed with a statement
            that costs a third less, but does not say where the last one stood. It cannot where another node claims in
            this way, others hold some of the rows, or arguments are large: then `in_vain`, and the usual one follows.
    """
    parameters: dict[str, Any] = {
        "node": node,
        "rows": rows,
        "bytes": bytes_max,
        "until_s": until_s,
        "discard": discard,
        # Written out, jsonb is up to twice as long as what was enqueued, for the spaces in it.
        "payload": 2 * payload_bytes_max,
    }
    in_vain = len(queues) == 1 and after is None and plenty
    if in_vain:
        at_s = time.monotonic()
        with contextlib.suppress(psycopg.errors.LockNotAvailable):
            count, fetch_rows = await fetch_later(connection, _CLAIM_FIRST, {**parameters, "queue": queues[0]})

            if count:
                unread = Unread(count, lambda: _executions(fetch_rows(), at_s))
                return Claim([], alive=True, seen=count, unread=unread)
    after_priority, after_s, after_id = after or (None, None, None)
    parameters |= {
        "after_priority": after_priority,
        "after_s": after_s,
        "after_id": after_id,
        "queues": arrays.texts(queues),
        "look": look,
    }
    at_s = time.monotonic()
    return _claim_of(await fetch(connection, _CLAIM, parameters, count=_claimed), at_s)._replace(in_vain=in_vain)


def _claim_of(found: Rows, at_s: float) -> Claim:
    executions = _executions(found, at_s)
    position, seen, due_in_s = found[-1][-3:]
    last = None
    if position is not None and position[0] is not None and position[1] is not None:
        last = Position(int(position[0]), position[1], executions[-1].id)
    return Claim(executions, seen is not None, seen or 0, due_in_s, last)


def _executions(found: Rows, at_s: float) -> list[Execution]:
    """`at_s`: when they were asked for, by the monotonic clock."""
    return [
        Execution(
            id, lease, tid, name, queue, attempt, crashes, retries, timeout_s,
            args and args[1:], kwargs and kwargs[1:], -1, gone, at_s - waited_s,
        )
        # No starred name for the rest: it would be a list for each row.
        for (
            id, lease, tid, name, queue, attempt, crashes, retries, timeout_s, args, kwargs, gone, waited_s, _, _, _
        ) in found
        if id is not None
    ]  # fmt: skip


def _claimed(found: Rows) -> int:
    """Returns how many executions the rows of a claim hold: there is one when nothing was claimed, without an id."""
    return 0 if found[0][0] is None else len(found)


async def complete(connection: Connection, executions: Sequence[Execution], results: Sequence[bytes]) -> int:
    """Records results and returns how many were recorded now. A repetition changes nothing."""
    ids = arrays.texts([each.id for each in executions])
    leases = arrays.int8s([each.lease for each in executions])
    bodies = arrays.jsonbs(results)
    parameters = {
        "tids": arrays.tids([each.tid for each in executions]),
        "ids": ids,
        "leases": leases,
        "results": bodies,
    }
    count = await execute(connection, _COMPLETE, parameters)
    if count < len(executions):
        parameters = {"ids": ids, "leases": leases, "results": bodies}
        count += await execute(connection, _COMPLETE_BY_ID, parameters)
    return count


async def settle(connection: Connection, verdicts: Sequence[Verdict]) -> int:
    """Records verdicts and returns how many were recorded now. A repetition changes nothing.

    What was to wait and is cancelled instead gets that `status`; what was not recorded now is not `written`.
    """
    parameters = {
        "ids": arrays.texts([each.execution.id for each in verdicts]),
        "leases": arrays.int8s([each.execution.lease for each in verdicts]),
        "statuses": arrays.texts([each.status for each in verdicts]),
        "errors": arrays.optional_jsonbs([each.error for each in verdicts]),
        "delays": arrays.optional_float8s([each.delay_s for each in verdicts]),
        "uncounts": arrays.int8s([each.uncount for each in verdicts]),
        "crashes": arrays.int8s([each.crash for each in verdicts]),
        "reasons": arrays.optional_texts([each.reason for each in verdicts]),
    }
    ((settled, _, cancelled, written),) = await fetch(connection, _SETTLE, parameters, count=first_number)
    for each in verdicts if cancelled else ():
        if each.execution.id in cancelled:
            each.status = Status.CANCELLED
    if written is not None:
        ids = set(written)
        for each in verdicts:
            each.written = each.execution.id in ids
    return int(settled)


async def late(connection: Connection, executions: Sequence[Execution], statuses: Sequence[Status | None]) -> list[str]:
    """Returns the ids of those whose outcomes came too late, of executions for which no outcome was recorded just now.

    `statuses`: what was to be recorded, None for a deletion.
    """
    parameters = {
        "ids": arrays.texts([each.id for each in executions]),
        "leases": arrays.int8s([each.lease for each in executions]),
        "statuses": arrays.optional_texts(list(statuses)),
    }
    return [row[0] for row in await fetch(connection, _LATE, parameters)]


async def tick(
    connection: Connection,
    *,
    node: str,
    queues: Sequence[str],
    timeout_s: float,
    scheduled: Sequence[str] = (),
    moments: Sequence[float] = (),
) -> Tick:
    """Renews the heartbeat, notifies the node's own channel, and says what there is to do.

    Args:
        queues: those that the node serves now, as its row says from then on.
        scheduled: the functions whose schedules the node fires.
        moments: those to which its functions are parked; see parking.py.
    """
    parameters = {
        "node": node,
        "queues": list(queues),
        "timeout_s": timeout_s,
        "channel": node_channel(node),
        "scheduled": list(scheduled),
        "moments": list(moments),
    }
    ((alive, *found, _),) = await fetch(connection, _TICK, parameters)
    return Tick(alive == 1, *found)


async def promote(connection: Connection, *, queues: Sequence[str], rows: int) -> Promotion:
    """Makes scheduled executions that are due pending, at most `rows` of each queue."""
    parameters = {"queues": list(queues), "rows": rows}
    ((promoted, due_in_s, _, came),) = await fetch(connection, _PROMOTE, parameters, count=first_number)
    return Promotion(promoted, due_in_s, tuple(came))


async def register(
    connection: Connection, *, node: str, queues: Sequence[str], metadata: Mapping[str, Any]
) -> Registration:
    """Makes the node known."""
    parameters = {"node": node, "queues": list(queues), "metadata": msgspec.json.encode(metadata).decode()}
    ((clock_s, paused),) = await fetch(connection, _REGISTER, parameters)
    return Registration(clock_s, paused)


async def deregister(connection: Connection, *, node: str, doubt: bool) -> None:
    """Says that the node has stopped; with `doubt`, that others are to look whether it left something behind."""
    await fetch(connection, _DEREGISTER, {"node": node, "doubt": doubt})


async def declare_dead(
    connection: Connection, *, node: str, timeout_s: float, known: Sequence[str] = (), fresh_s: float = 5.0
) -> list[str]:
    """Declares nodes dead whose heartbeat is too old, and the `known` ones; returns all that are to be reclaimed.

    `fresh_s`: how old this node's own heartbeat may be for it to judge others'.
    """
    parameters = {"node": node, "timeout_s": timeout_s, "known": list(known), "fresh_s": fresh_s}
    return [row[0] for row in await fetch(connection, _DECLARE_DEAD, parameters)]


async def reclaimed(connection: Connection, nodes: Sequence[str]) -> None:
    """Says that nothing of these dead nodes is left to take back."""
    await fetch(connection, _RECLAIMED, {"nodes": list(nodes)})


async def held(connection: Connection, nodes: Sequence[str], *, rows: int) -> list[Execution]:
    """Returns what these nodes hold by the database's word, at most `rows`, without TID, timeout and arguments."""
    found = await fetch(connection, _HELD, {"nodes": list(nodes), "rows": rows})
    return [
        Execution(id, lease, b"", function, queue, attempt, crashes, retries, None, None, None)
        for id, lease, function, queue, attempt, crashes, retries in found
    ]


async def ended(connection: Connection, ids: Sequence[str], *, bytes_max: int = 1 << 40) -> list[Ended]:
    """Returns those of these executions that have ended, and those that are not there.

    `bytes_max`: none is returned beyond so much in results and errors, as the server stores them, but the first.
    """
    found = await fetch(connection, _ENDED, {"ids": arrays.texts(ids), "bytes": bytes_max})
    return [Ended(id, status, body and body[1:]) for id, status, body in found]


async def cancel(connection: Connection, ids: Sequence[str]) -> set[str]:
    """Cancels executions; returns the ids of those that had not ended. A running one ends when its node has heard."""
    return {row[0] for row in await fetch(connection, _CANCEL, {"ids": list(ids), "prefix": NODE_PREFIX})}


async def schedules(connection: Connection) -> list[Schedule]:
    """Returns all schedules, in the order of their functions' names."""
    return [Schedule(*row) for row in await fetch(connection, _SCHEDULES, {})]


async def remove_schedule(connection: Connection, function: str) -> bool:
    """Removes a schedule, until a node starts whose modules have it; returns whether there was one."""
    return await execute(connection, _REMOVE_SCHEDULE, {"function": function}) == 1


async def present(connection: Connection, ids: Sequence[str]) -> set[str]:
    """Returns those of these ids that executions have."""
    return {row[0] for row in await fetch(connection, _PRESENT, {"ids": list(ids)})}


async def cancels_asked(connection: Connection, ids: Sequence[str]) -> set[str]:
    """Returns those of these executions that run and are to be cancelled."""
    return {row[0] for row in await fetch(connection, _CANCELS_ASKED, {"ids": arrays.texts(ids)})}


async def transaction_id(connection: Connection) -> str:
    """Returns the id of the transaction under way."""
    ((id,),) = await fetch(connection, _TRANSACTION_ID, {})
    return str(id)


async def transaction_fate(connection: Connection, transaction: str) -> str | None:
    """Returns whether a transaction is `committed`, `aborted` or `in progress`; None when that is forgotten."""
    ((fate,),) = await fetch(connection, _TRANSACTION_FATE, {"transaction": transaction})
    return None if fate is None else str(fate)


async def schema_version(connection: Connection) -> int:
    """Returns the version of the schema that the search path leads to; 0 without one."""
    ((present,),) = await fetch(connection, _SCHEMA_PRESENT, {})
    if not present:
        return 0
    ((latest,),) = await fetch(connection, _SCHEMA_LATEST, {})
    return latest or 0
