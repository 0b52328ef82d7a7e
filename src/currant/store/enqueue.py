"""The enqueue: one plan of statements, carried out on a connection of ours or of the caller's, async or sync."""

from collections.abc import Awaitable, Callable, Container, Generator, Sequence
from typing import Any

import psycopg
from psycopg.rows import tuple_row

from currant.backends import Enqueued, NewExecution
from currant.errors import DatabaseUnreachable
from currant.store import arrays
from currant.store.connections import Connection
from currant.store.queries import present
from currant.store.statements import Rows, Statement, execute, fetch, load, transaction

#: A scheduled execution due within this is told to the nodes at once; of a later one the tick tells in time.
SOON_S = 10.0
#: How often a holder of a key may end between the insert and the look at it.
_ROUNDS_MAX = 5

_ENQUEUE = load("enqueue")
_ENQUEUE_ONE = load("enqueue_one")
_ENQUEUE_ANY = load("enqueue_any")
_UNIQUE_HOLDERS = load("unique_holders")

#: A statement with its parameters.
Step = tuple[Statement, dict[str, Any]]
#: Yields statements, gets their rows, returns what was enqueued in the order of the input.
Steps = Generator[Step, Rows, list[Enqueued]]


def enqueue_steps(ids: Sequence[str], executions: Sequence[NewExecution]) -> Steps:
    """The statements of an enqueue; in most cases one.

    Those with a unique key that an execution not ended holds are not inserted: the holder stands in their place.
    """
    if len(executions) == 1 and executions[0].is_plain:
        yield _ENQUEUE_ONE, _parameters_of_one(ids[0], executions[0])
        return [Enqueued(ids[0], True)]
    if all(each.is_plain for each in executions):
        channels = arrays.texts(dict.fromkeys(each.queue for each in executions))
        yield _ENQUEUE, _parameters(ids, executions) | {"channels": channels}
        return [Enqueued(id, True) for id in ids]
    settled: dict[str, Enqueued] = {}
    left = dict(zip(ids, executions, strict=True))
    for _ in range(_ROUNDS_MAX):
        rows = yield _ENQUEUE_ANY, _any_parameters(list(left), list(left.values()))
        for id, _ in rows:
            settled[id] = Enqueued(id, True)
            del left[id]
        if not left:
            break
        holders = yield from _holders(list(left.values()))
        for id, each in list(left.items()):
            holder = holders.get((each.function, each.unique_key))
            if holder is not None:
                # Its own, when this is the repetition of a statement that had been carried out.
                settled[id] = Enqueued(holder, holder == id)
                del left[id]
        if not left:
            break
    else:
        raise psycopg.errors.SerializationFailure("executions with the same unique key came and went too fast")
    return [settled[id] for id in ids]


async def enqueue_apart(
    connection: Connection, ids: Sequence[str], executions: Sequence[NewExecution]
) -> list[Enqueued]:
    """Inserts executions of different callers, on a connection of ours: each is settled for itself."""
    if len(executions) == 1 and executions[0].is_plain:
        await execute(connection, _ENQUEUE_ONE, _parameters_of_one(ids[0], executions[0]))
        return [Enqueued(ids[0], True)]
    return await carry_out(connection, enqueue_steps(ids, executions))


async def enqueue(connection: Connection, ids: Sequence[str], executions: Sequence[NewExecution]) -> list[Enqueued]:
    """Inserts executions, all or none, on a connection of ours."""
    steps = enqueue_steps(ids, executions)
    if all(each.is_plain for each in executions):
        return await carry_out(connection, steps)
    async with transaction(connection):
        return await carry_out(connection, steps)


async def enqueue_again(
    connection: Connection, ids: Sequence[str], executions: Sequence[NewExecution]
) -> list[Enqueued]:
    """Does what is left to do of an enqueue whose connection was lost: the ids tell what had been done after all.

    Those that were not inserted because another held their unique key are enqueued as if they came now.
    """
    done = await present(connection, ids)
    if done and all(each.is_plain for each in executions):
        # All or none: what is missing has been carried out, and was deleted.
        return [Enqueued(id, True) for id in ids]
    try:
        return await enqueue_left(connection, ids, executions, done, enqueue)
    except psycopg.errors.UniqueViolation as error:
        # The lost statement was still under way when this looked; it is over now.
        raise DatabaseUnreachable("a statement that was cut off was carried out meanwhile") from error


async def enqueue_left(
    connection: Connection,
    ids: Sequence[str],
    executions: Sequence[NewExecution],
    done: Container[str],
    write: Callable[[Connection, Sequence[str], Sequence[NewExecution]], Awaitable[list[Enqueued]]],
) -> list[Enqueued]:
    """Inserts those that are not `done`, by `enqueue` or `enqueue_apart`; returns all, in their order."""
    left = {id: each for id, each in zip(ids, executions, strict=True) if id not in done}
    rest = await write(connection, list(left), list(left.values())) if left else []
    settled = dict(zip(left, rest, strict=True))
    return [settled.get(id) or Enqueued(id, True) for id in ids]


async def enqueue_within(
    connection: psycopg.AsyncConnection[Any], ids: Sequence[str], executions: Sequence[NewExecution]
) -> list[Enqueued]:
    """Inserts executions in the transaction of a connection of the caller's."""
    steps = enqueue_steps(ids, executions)
    # A cursor of our own kind, whatever the caller's connection makes; and not prepared: it may go through a pool.
    async with psycopg.AsyncCursor(connection, row_factory=tuple_row) as cursor:
        arrays.register(cursor.adapters)
        statement, parameters = next(steps)
        while True:
            await cursor.execute(statement.text, parameters, binary=True)
            try:
                statement, parameters = steps.send(await cursor.fetchall())
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]


def enqueue_within_sync(
    connection: psycopg.Connection[Any], ids: Sequence[str], executions: Sequence[NewExecution]
) -> list[Enqueued]:
    """The same on a connection without an event loop."""
    steps = enqueue_steps(ids, executions)
    with psycopg.Cursor(connection, row_factory=tuple_row) as cursor:
        arrays.register(cursor.adapters)
        statement, parameters = next(steps)
        while True:
            cursor.execute(statement.text, parameters, binary=True)
            try:
                statement, parameters = steps.send(cursor.fetchall())
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]


async def carry_out(connection: Connection, steps: Steps, first: Step | None = None) -> list[Enqueued]:
    """Runs the statements on a connection of ours, in its transaction if it has one.

    Args:
        first: the first statement, if it was already taken from the steps.
    """
    statement, parameters = first or next(steps)
    while True:
        rows = await fetch(connection, statement, parameters)
        try:
            statement, parameters = steps.send(rows)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]


def _holders(
    executions: Sequence[NewExecution],
) -> Generator[Step, Rows, dict[tuple[str, str | None], str]]:
    parameters = {
        "functions": arrays.texts([each.function for each in executions]),
        "keys": arrays.optional_texts([each.unique_key for each in executions]),
    }
    rows = yield _UNIQUE_HOLDERS, parameters
    return {(function, key): id for function, key, id in rows}


def _parameters_of_one(id: str, execution: NewExecution) -> dict[str, Any]:
    return {
        "id": id,
        "function": execution.function,
        "queue": execution.queue,
        "priority": execution.priority,
        "args": execution.args.decode(),
        "kwargs": execution.kwargs.decode(),
        "options": execution.options.decode(),
        "retries": execution.max_retries,
        "timeout_s": execution.timeout_s,
    }


def _parameters(ids: Sequence[str], executions: Sequence[NewExecution]) -> dict[str, Any]:
    return {
        "ids": arrays.texts(ids),
        "functions": arrays.texts([each.function for each in executions]),
        "queues": arrays.texts([each.queue for each in executions]),
        "priorities": arrays.int8s([each.priority for each in executions]),
        "args": arrays.jsonbs([each.args for each in executions]),
        "kwargs": arrays.jsonbs([each.kwargs for each in executions]),
        "options": arrays.jsonbs([each.options for each in executions]),
        "retries": arrays.int8s([each.max_retries for each in executions]),
        "timeouts": arrays.optional_float8s([each.timeout_s for each in executions]),
    }


def _any_parameters(ids: Sequence[str], executions: Sequence[NewExecution]) -> dict[str, Any]:
    return _parameters(ids, executions) | {
        "delays": arrays.optional_float8s([each.delay_s for each in executions]),
        "moments": arrays.optional_float8s([each.run_at_s for each in executions]),
        "keys": arrays.optional_texts([each.unique_key for each in executions]),
        "holds": arrays.optional_float8s([each.unique_for_s for each in executions]),
        "soon_s": SOON_S,
    }
