"""A look at a database before its schema is migrated: what would be done, what it costs, and what is in the way."""

from typing import NamedTuple

import psycopg

from currant.errors import DatabaseError
from currant.executions import Status
from currant.store import migrate, upgrade_queries
from currant.store.connections import Connection, connect, one_line
from currant.store.steps import Step, steps
from currant.store.upgrade_queries import Rights, Size, State


class Rows(NamedTuple):
    """What there is in the tables of an older version. `live`: workers that seem to run."""

    size: Size
    states: list[State]
    live: list[str]
    slow_indexes: list[str]

    @property
    def left_behind(self) -> int:
        return sum(each.left_behind for each in self.states)


class Survey(NamedTuple):
    """`rows` is None when there are no tables, or they cannot be read; `obstacles`: why the migration would fail."""

    before: int
    steps: list[Step]
    rows: Rows | None
    obstacles: list[str]

    @property
    def rewriting(self) -> list[Step]:
        """The steps that rewrite executions that exist."""
        return [step for step in self.steps if step.rewrites and self.before > 0]


async def survey_at(url: str) -> Survey:
    """Connects and looks, in a transaction that cannot write.

    Raises:
        DatabaseError: the database does not answer, or refuses the look.
        SchemaError: the schema is newer than this Currant.
    """
    connection = await connect(url, "currant")
    try:
        async with connection.transaction():
            await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            return await _survey(connection)
    except psycopg.Error as error:
        raise DatabaseError(f"the database refuses a look at its schema: {one_line(error)}") from error
    finally:
        await connection.close()


async def _survey(connection: Connection) -> Survey:
    before = await migrate.found(connection)
    ahead = steps(before, migrate.VERSION)
    if not ahead:
        return Survey(before, ahead, None, [])
    rights = await upgrade_queries.rights(connection)
    obstacles = _forbidden(rights)
    names = [name for step in ahead for name in step.names]
    obstacles += [f"the name {name} is taken" for name in await upgrade_queries.taken(connection, names)]
    if before == 0 or rights.unreadable:
        return Survey(before, ahead, None, obstacles)
    rows = await _look_at_rows(connection)
    return Survey(before, ahead, rows, obstacles + _unknown_states(rows))


async def _look_at_rows(connection: Connection) -> Rows:
    return Rows(
        await upgrade_queries.size(connection),
        await upgrade_queries.states(connection),
        await upgrade_queries.workers(connection),
        await upgrade_queries.slow_indexes(connection),
    )


def _forbidden(rights: Rights) -> list[str]:
    found = []
    if rights.standby:
        found.append("the server is a standby, which is read-only: name the primary")
    if rights.place is None:
        found.append("the search path leads to no schema: make one, or set the search path")
    elif not rights.may_create:
        found.append(f"the account {rights.account} may not make tables in the schema {rights.place}: grant it CREATE")
    if rights.unowned:
        tables = ", ".join(rights.unowned)
        found.append(f"the account {rights.account} does not own {tables}: run the migration as the owner")
    return found


def _unknown_states(rows: Rows) -> list[str]:
    known = {status.value for status in Status}
    return [
        f"{each.rows:,} executions have the status {each.status!r}, which is none of {', '.join(sorted(known))}"
        for each in rows.states
        if each.status not in known
    ]
