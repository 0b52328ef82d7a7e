"""`currant schedules`: the functions that run by the clock."""

from typing import Annotated

import typer

from currant.cli import output
from currant.cli.common import DatabaseOption, EmbeddedOption, ask, named_database
from currant.cli.output import Page
from currant.cli.shell import App
from currant.cli.values import JsonOption, stored
from currant.errors import CurrantError
from currant.store import queries

app = App(invoke_without_command=True)


@app.callback()
def schedules(
    context: typer.Context,
    as_json: JsonOption = False,
    database_url: DatabaseOption = None,
    embedded: EmbeddedOption = False,
) -> None:
    """Lists the schedules, the next to run first; `schedules remove` takes one away."""
    if context.invoked_subcommand is not None:
        return
    with named_database(database_url, embedded=embedded) as settings:
        found, now_s = ask(settings, queries.schedules)
        each = sorted(found, key=lambda one: one.next_run_at)
        if as_json:
            output.write_json(each)
            return
        page = Page()
        if not each:
            page.add("no function has a schedule: give one with @job(cron=...), and start a node that knows it")
            return
        rows = [
            (
                one.function,
                one.cron,
                one.timezone,
                one.queue,
                output.dated(one.next_run_at, now_s) or "",
                output.age(one.last_run_at, now_s),
                one.last_execution_id or "",
                output.age(one.seen_at, now_s),
            )
            for one in each
        ]
        names = ("function", "cron", "time zone", "queue", "next run", "last run", "its execution", "node seen")
        page.add(output.table(*names, rows=rows))


@app.command("remove")
def remove_command(
    function: Annotated[str, typer.Argument(parser=stored, help="The function's name, as `schedules` shows it.")],
    as_json: JsonOption = False,
    database_url: DatabaseOption = None,
    embedded: EmbeddedOption = False,
) -> None:
    """Removes the schedule of a function that is no more. What it has enqueued stays.

    A node that still knows the function sets the schedule up again when it starts.
    """
    with named_database(database_url, embedded=embedded) as settings:
        removed, _ = ask(settings, lambda connection: queries.remove_schedule(connection, function))
        if not removed:
            raise CurrantError(f"no schedule is of the function {function}: `currant schedules` lists them")
        if as_json:
            output.write_json({"removed": function})
        else:
            output.write(f"removed the schedule of {function}")
