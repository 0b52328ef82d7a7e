"""`currant grant`: a role of Postgres with no more rights than a node, or an application, needs."""

import sys
from typing import Annotated

import typer

from currant.cli.common import DatabaseOption, EmbeddedOption, named_database
from currant.cli.interrupts import run_async
from currant.store import connections
from currant.store.grants import Granted, Kind, grant_at

_MEANINGS = {
    Kind.NODE: "run currantd and every command of `currant` but migrate and grant",
    Kind.CLIENT: "enqueue, cancel, and wait for results",
}


def grant_command(
    role: Annotated[str, typer.Argument(help="An existing role of Postgres.")],
    client: Annotated[
        bool, typer.Option("--client", help="For an application, which enqueues, cancels and waits for results.")
    ] = False,
    print_only: Annotated[
        bool, typer.Option("--print", help="Print the statements, for a tool of your own, and change nothing.")
    ] = False,
    database_url: DatabaseOption = None,
    embedded: EmbeddedOption = False,
) -> None:
    """Gives a role the rights that a node needs, or with --client an application, and no others on Currant's tables.

    Run it as the owner of the tables, which is who ran `currant migrate`, and again after each upgrade. What the role
    was granted on these tables before is taken back in the same transaction.
    """
    kind = Kind.CLIENT if client else Kind.NODE
    with named_database(database_url, embedded=embedded) as settings:
        url = str(settings.database_url)
        granted = run_async(lambda: grant_at(url, role, kind, dry=print_only))
        _show(granted, None if print_only else f"{connections.describe(url)}: {role} may {_MEANINGS[kind]}")


def _show(granted: Granted, headline: str | None) -> None:
    if headline is not None:
        print(headline)
    print(granted.statements, end="")
    for remark in granted.remarks:
        print(f"currant: note: {remark}", file=sys.stderr)
