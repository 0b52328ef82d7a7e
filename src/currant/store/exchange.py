"""One prepared statement and its answer, over libpq.

psycopg's cursors do the same for any statement, and cost the client more than twice the CPU: each time they look up how
the text is converted, describe the columns and set up a wait with a timer. What converts values is psycopg's here too.
"""

import asyncio
import re
from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg import pq
from psycopg.abc import PQGen
from psycopg.adapt import PyFormat, Transformer
from psycopg.waiting import Ready, Wait

from currant.store.connections import Connection
from currant.store.usage import PREPARE

#: How long a statement that nobody waits for any longer may take to end, before its connection is given up.
_CANCEL_S = 5.0
_PLACEHOLDER = re.compile(rb"%%|%\((\w+)\)s")
_DONE = (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK)


class Form:
    """A statement as libpq takes it: with numbers for the names of its parameters."""

    def __init__(self, text: bytes) -> None:
        numbers: dict[str, int] = {}

        def number(match: re.Match[bytes]) -> bytes:
            if match[1] is None:
                return b"%"
            return b"$%d" % numbers.setdefault(match[1].decode(), len(numbers) + 1)

        self.text = _PLACEHOLDER.sub(number, text)
        self.names = tuple(numbers)
        self.formats = [PyFormat.AUTO] * len(numbers)


async def exchange(connection: Connection, form: Form, parameters: Mapping[str, Any]) -> pq.abc.PGresult:
    """Runs a statement, which is prepared at its first use in this connection, and returns its result in binary form.

    A caller that is cancelled meanwhile has it cancelled on the server too, and goes on when that is done.

    Raises:
        psycopg.Error: what psycopg's cursors raise.
    """
    dumper = connection.dumper
    values = dumper.dump_sequence([parameters[name] for name in form.names], form.formats)
    types, formats = dumper.types or (), dumper.formats
    async with connection.lock:
        pgconn = connection.pgconn
        name = connection.prepared.get((form, types))
        if name is None:
            name = b"currant_%d" % next(connection.prepared_numbers)
            pgconn.send_prepare(name, form.text, types)
            await _result(connection)
            connection.prepared[form, types] = name
            connection.usage[PREPARE].calls += 1
        pgconn.send_query_prepared(name, values, formats, pq.Format.BINARY)
        return await _result(connection)


def rows_of(connection: Connection, result: pq.abc.PGresult) -> list[tuple[Any, ...]]:
    """Returns the rows of a result, of which the connection need not know any more."""
    transformer = Transformer(connection)
    transformer.set_pgresult(result)
    return transformer.load_rows(0, result.ntuples, tuple)


async def _result(connection: Connection) -> pq.abc.PGresult:
    """Returns the result of what was sent; raises it when it is an error."""
    pgconn = connection.pgconn
    try:
        if pgconn.flush():
            await connection.wait(_flush(pgconn))
        results = await _results(pgconn)
    except BaseException:
        if pgconn.transaction_status == pq.TransactionStatus.ACTIVE:
            await _cancel(connection)
        raise
    for result in results:
        if result.status not in _DONE:
            raise psycopg.errors.error_from_result(result, encoding="utf-8")
    return results[-1]


async def _results(pgconn: pq.abc.PGconn) -> list[pq.abc.PGresult]:
    """Waits until the server has answered to all that was sent."""
    loop = asyncio.get_running_loop()
    answered: asyncio.Future[None] = loop.create_future()
    results: list[pq.abc.PGresult] = []

    def readable() -> None:
        if answered.done():
            return
        try:
            pgconn.consume_input()
            while not pgconn.is_busy():
                result = pgconn.get_result()
                if result is None:
                    answered.set_result(None)
                    return
                results.append(result)
        except psycopg.Error as error:
            # The server said why before it closed the connection, or it did not.
            if results and results[-1].status == pq.ExecStatus.FATAL_ERROR:
                answered.set_result(None)
            else:
                answered.set_exception(error)

    socket = pgconn.socket
    loop.add_reader(socket, readable)
    try:
        await answered
    finally:
        loop.remove_reader(socket)
    return results


def _flush(pgconn: pq.abc.PGconn) -> PQGen[None]:
    """Sends what did not fit into the socket; the server may have to get rid of something meanwhile."""
    while pgconn.flush():
        if (yield Wait.RW) & Ready.R:
            pgconn.consume_input()


async def _cancel(connection: Connection) -> None:
    """Ends the statement under way, so that the connection can go on; or the connection."""
    try:
        await connection.cancel_safe(timeout=_CANCEL_S)
        async with asyncio.timeout(_CANCEL_S):
            await _results(connection.pgconn)
    except BaseException as error:
        connection.pgconn.finish()
        if not isinstance(error, psycopg.Error | TimeoutError):
            raise
