"""`currant`: the schema and single executions; also `python -m currant`."""

import asyncio
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.pretty import Pretty
from rich.table import Table

from currant import settings as setting
from currant.cli.common import DatabaseOption, EmbeddedOption, database, reported
from currant.errors import CurrantError
from currant.executions import Record
from currant.settings import Settings
from currant.store import connections, migrate, queries

app = typer.Typer(add_completion=False, rich_markup_mode=None, no_args_is_help=True)


@app.callback()
def currant() -> None:
    """Currant: a durable job scheduler that needs nothing but Postgres."""


@app.command("migrate")
def migrate_command(database_url: DatabaseOption = None, embedded: EmbeddedOption = False) -> None:
    """Makes the database's schema the one that this Currant works with. Run it as often as you like."""
    with reported("currant"), database(setting.load({"database_url": database_url}), embedded=embedded) as settings:
        before, after = asyncio.run(_migrate(settings))
        place = connections.describe(str(settings.database_url))
        if before == after:
            print(f"{place}: the schema is of version {after} already")
        else:
            print(f"{place}: migrated the schema from version {before} to {after}")


@app.command("status")
def status_command(
    id: Annotated[str, typer.Argument(help="The execution's id, as `.queue()` returned it.")],
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
    database_url: DatabaseOption = None,
    embedded: EmbeddedOption = False,
) -> None:
    """Shows one execution."""
    with reported("currant"), database(setting.load({"database_url": database_url}), embedded=embedded) as settings:
        record = asyncio.run(_get(settings, id))
        if record is None:
            raise CurrantError(f"no execution has the id {id}")
        if as_json:
            print(msgspec.json.format(msgspec.json.encode(record), indent=2).decode())
        else:
            show(record, Console())


def show(record: Record, console: Console) -> None:
    """Prints one execution for people."""
    table = Table(show_header=False, box=None)
    values = msgspec.structs.asdict(record)
    error = values.pop("error")
    for name, value in values.items():
        if value is not None:
            table.add_row(f"[bold]{name}[/]", value if isinstance(value, str) else Pretty(value))
    console.print(table)
    if error:
        console.print(f"[red]{error.get('type')}[/]: {error.get('message')}", markup=True)
        if error.get("traceback"):
            console.print(error["traceback"], markup=False)


async def _migrate(settings: Settings) -> migrate.Migrated:
    connection = await connections.connect(str(settings.database_url), "currant")
    try:
        return await migrate.migrate(connection)
    finally:
        await connection.close()


async def _get(settings: Settings, id: str) -> Record | None:
    connection = await connections.connect(str(settings.database_url), "currant")
    try:
        await migrate.check(connection)
        return await queries.get(connection, id)
    finally:
        await connection.close()


def main() -> None:
    app()
