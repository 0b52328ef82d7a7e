"""`currantctl doctor`: the checks, as people or programs read them."""

import contextlib

import msgspec
import typer
from rich.table import Table

from currant import settings as setting
from currant.cli import exits
from currant.cli.common import DatabaseOption, EmbeddedOption, RuntimeDirOption, check_exclusive, database, reported
from currant.cli.doctor.check import Check, Checks, Part, Verdict, worst
from currant.cli.doctor.examination import examine
from currant.cli.doctor.machine import check_machine
from currant.cli.doctor.settings import check_settings
from currant.cli.interrupts import run_async
from currant.cli.output import Page, text, write_json
from currant.cli.values import JsonOption
from currant.errors import ConfigurationError
from currant.settings import Settings

_STYLES = {Verdict.OK: "green", Verdict.WARNING: "bold yellow", Verdict.FAILED: "bold red"}


class Report(msgspec.Struct):
    """What `--json` prints: the worst verdict of all, and every check."""

    verdict: Verdict
    checks: list[Check]


def doctor_command(
    as_json: JsonOption = False,
    database_url: DatabaseOption = None,
    runtime_dir: RuntimeDirOption = None,
    embedded: EmbeddedOption = False,
) -> None:
    """Checks settings, machine, database and what waits there, and says what to do. It needs no running currantd.

    Looks only, as a node would be given them here: run it as the user of currantd, and with its environment. A warning
    works, and somebody should look at it. The exit code is 1 if a check has failed.
    """
    with reported("currantctl"):
        check_exclusive(embedded=embedded, url_option=database_url)
        checks = _checks({"database_url": database_url, "runtime_dir": runtime_dir}, embedded=embedded)
        if as_json:
            write_json(Report(worst(checks), checks))
        else:
            show(checks, Page())
        if worst(checks) is Verdict.FAILED:
            raise typer.Exit(exits.FAILED)


def _checks(given: dict[str, str | None], *, embedded: bool) -> list[Check]:
    try:
        settings = setting.load(given)
    except ConfigurationError as error:
        return [Checks(Part.SETTINGS).failed("values", str(error), "correct it: nothing else is looked at before")]
    return [*check_settings(settings), *check_machine(settings), *_check_database(settings, given, embedded=embedded)]


def _check_database(settings: Settings, given: dict[str, str | None], *, embedded: bool) -> list[Check]:
    with contextlib.ExitStack() as stack:
        if embedded:
            settings = stack.enter_context(database(settings, embedded=True, url_option=None))
        return run_async(lambda: examine(settings))


def show(checks: list[Check], page: Page) -> None:
    """Prints the checks for people, what to do below each that asks for it, and the sum."""
    for part in Part:
        its = [each for each in checks if each.part is part]
        if its:
            page.add(part.value, style="bold")
            page.add(_table(its))
    counts = {verdict: sum(each.verdict is verdict for each in checks) for verdict in Verdict}
    told = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
    page.add(f"{len(checks)} check{'s' if len(checks) > 1 else ''}: {told}", style=_STYLES[worst(checks)])


def _table(checks: list[Check]) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column(no_wrap=True, min_width=9)
    table.add_column(no_wrap=True, min_width=20)
    table.add_column(overflow="fold")
    for each in checks:
        style = _STYLES[each.verdict]
        table.add_row(text(f"  {each.verdict}", style), each.name, text(each.found))
        if each.advice is not None:
            table.add_row("", text("what to do", "dim"), text(each.advice, style))
    return table
