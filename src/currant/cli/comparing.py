"""`currant bench compare`: whether one result is better than another, by more than chance."""

from pathlib import Path
from typing import Annotated

import typer

from currant.bench.compare import compare, read
from currant.bench.verdicts import show_comparison
from currant.cli import exits
from currant.cli.common import reported
from currant.cli.output import Page, write_json
from currant.cli.values import JsonOption


def compare_command(
    a: Annotated[Path, typer.Argument(help="A file of currant bench --json: what is compared with.")],
    b: Annotated[Path, typer.Argument(help="Another: what is judged.")],
    fail_on_worse: Annotated[
        bool, typer.Option("--fail-on-worse", help="Exit with 1 if a figure of b is worse, or a check of b failed.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Compares two results of the bench, and says which figures are better or worse, by more than chance.

    Measure both with --repeat 4 or more: of fewer no difference can be told from chance. Says what else differs: the
    machine, Postgres, options.
    """
    with reported("currant bench compare"):
        comparison = compare(read(a), read(b))
        if as_json:
            write_json(comparison)
        else:
            Page().draw(lambda console: show_comparison(comparison, console))
        if fail_on_worse and comparison.worse:
            raise typer.Exit(exits.FAILED)
