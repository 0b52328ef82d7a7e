"""`currant`: puts its commands together; also `python -m currant`."""

from contextlib import AbstractContextManager
from typing import Annotated

import typer

from currant import settings as setting
from currant.cli import bench, dead, executions, exits, schedules
from currant.cli.common import (
    DatabaseOption,
    EmbeddedOption,
    VersionOption,
    database,
    reported,
)
from currant.cli.enqueue import enqueue_command
from currant.cli.grants import grant_command
from currant.cli.interrupts import run_async
from currant.cli.migrating import check_options, rewrite_line, survey_lines
from currant.cli.prune import prune_command
from currant.cli.queues import queues_command
from currant.cli.shell import App, run
from currant.settings import Settings
from currant.store import connections, migrate
from currant.store.steps import script
from currant.store.survey import survey_at
from currant.store.upgrade_queries import Size

app = App(no_args_is_help=True)

_EXECUTIONS, _OTHERS = "Executions", "Queues, dead letters and schedules"
app.command("enqueue", rich_help_panel=_EXECUTIONS, epilog=exits.epilog(exits.ENDED_BADLY, exits.NOT_IN_TIME))(
    enqueue_command
)
app.command("list", rich_help_panel=_EXECUTIONS, epilog=exits.epilog(exits.NOT_IN_TIME))(executions.list_command)
app.command("status", rich_help_panel=_EXECUTIONS)(executions.status_command)
app.command("cancel", rich_help_panel=_EXECUTIONS)(executions.cancel_command)
app.command("retry", rich_help_panel=_EXECUTIONS)(executions.retry_command)
app.command("queues", rich_help_panel=_OTHERS)(queues_command)
app.add_typer(dead.app, name="dead", rich_help_panel=_OTHERS)
app.add_typer(schedules.app, name="schedules", rich_help_panel=_OTHERS)
app.command("prune", rich_help_panel=_OTHERS)(prune_command)


@app.callback()
def currant(version: VersionOption = False) -> None:
    """Currant: a durable job scheduler that needs nothing but Postgres."""


@app.command("migrate")
def migrate_command(
    sql: Annotated[
        bool, typer.Option("--sql", help="Print the statements, for a tool of your own, and change nothing.")
    ] = False,
    start: Annotated[
        int | None,
        typer.Option("--from", metavar="VERSION", help="For --sql: begin at this version and ask no database."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done and what is in the way, and change nothing.")
    ] = False,
    database_url: DatabaseOption = None,
    embedded: EmbeddedOption = False,
) -> None:
    """Makes the database's schema the one that this Currant works with. Run it as often as you like."""
    with reported("currant"):
        named = embedded or database_url is not None
        check_options(sql=sql, dry_run=dry_run, start=start, database_named=named)
        if start is not None:
            print(script(start, migrate.VERSION), end="")
            return
        with _database(database_url, embedded=embedded) as settings:
            url = str(settings.database_url)
            if sql:
                print(script(run_async(lambda: migrate.found_at(url)), migrate.VERSION), end="")
            elif dry_run:
                _dry_run(url)
            else:
                _migrate(url)


app.command("grant")(grant_command)
app.add_typer(bench.app, name="bench")


def _dry_run(url: str) -> None:
    survey = run_async(lambda: survey_at(url))
    for line in survey_lines(connections.describe(url), survey):
        print(line)
    if survey.obstacles:
        raise typer.Exit(1)


def _migrate(url: str) -> None:
    place = connections.describe(url)

    def rewriting(version: int, size: Size) -> None:
        # At once, also into a pipe: what follows may take long.
        print(f"{place}: {rewrite_line(version, size)}", flush=True)

    before, after = run_async(lambda: migrate.migrate_at(url, rewriting=rewriting))
    if before == after:
        print(f"{place}: the schema is of version {after} already")
    else:
        print(f"{place}: migrated the schema from version {before} to {after}")


def _database(url: str | None, *, embedded: bool) -> AbstractContextManager[Settings]:
    return database(setting.load({"database_url": url}), embedded=embedded, url_option=url)


def main() -> None:
    run(app, "currant")


if __name__ == "__main__":
    main()
