"""`currant dead`: the dead letters, copies of the executions that failed for good."""

import sys
from collections import Counter
from collections.abc import Callable
from typing import Annotated

import msgspec
import typer

from currant.cli import output
from currant.cli.common import DatabaseOption, EmbeddedOption, ask, named_database
from currant.cli.executions import reason_of, show_retried
from currant.cli.exits import FAILED
from currant.cli.output import Page
from currant.cli.shell import App, is_terminal
from currant.cli.values import FunctionOption, JsonOption, LimitOption, QueueOption, duration, stored
from currant.errors import ConfigurationError, CurrantError
from currant.records import DeadLetter, Retried
from currant.store import inspection
from currant.store.connections import Connection
from currant.store.inspection import Filter

app = App(no_args_is_help=True)

_ID_HELP = "The id of an execution, or of a dead letter."
LettersArgument = Annotated[
    list[str] | None, typer.Argument(parser=stored, help="Ids of executions, or of dead letters.")
]


class Sum(msgspec.Struct):
    """What became of the dead letters that a command met; `refused` counts them by the reason."""

    retried: int
    refused: dict[str, int]


@app.callback()
def dead() -> None:
    """The dead letters: copies of the executions that failed for good."""


@app.command("list")
def list_command(
    queue: QueueOption = None,
    function: FunctionOption = None,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
    database_url: DatabaseOption = None,
    embedded: EmbeddedOption = False,
) -> None:
    """Lists dead letters, the newest first."""
    with named_database(database_url, embedded=embedded) as settings:
        letters, now_s = ask(
            settings, lambda connection: inspection.list_dead(connection, Filter(function, queue), rows=limit)
        )
        if as_json:
            output.write_json([_plain(letter) for letter in letters])
        else:
            _show_list(letters, now_s)


@app.command("show")
def show_command(
    id: Annotated[str, typer.Argument(parser=stored, help=_ID_HELP)],
    as_json: JsonOption = False,
    database_url: DatabaseOption = None,
    embedded: EmbeddedOption = False,
) -> None:
    """Shows dead letters in full: those of an execution, or one by its own id. With --json: an array."""
    with named_database(database_url, embedded=embedded) as settings:
        letters, now_s = ask(settings, lambda connection: inspection.find_dead(connection, [id]))
        if not letters:
            raise CurrantError(f"no dead letter has the id {id}, nor has its execution")
        if as_json:
            output.write_json(letters)
            return
        for letter in letters:
            _show(letter, now_s)


@app.command("retry")
def retry_command(
    ids: LettersArgument = None,
    queue: QueueOption = None,
    function: FunctionOption = None,
    everything: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    as_json: JsonOption = False,
    database_url: DatabaseOption = None,
    embedded: EmbeddedOption = False,
) -> None:
    """Runs the executions of dead letters again, with all their retries, and removes the letters.

    Name ids, or choose with --function and --queue, or say --all: then in pieces of 1,000, each a transaction of its
    own, and what fails again meanwhile is not met again. A letter whose execution is not there any more, or has been
    retried already, stays.
    """
    with named_database(database_url, embedded=embedded) as settings:
        if _are_named(ids, chosen=bool(queue or function), everything=everything, ways="--function, --queue or --all"):
            each, _ = ask(settings, lambda connection: _retry_named(connection, ids or []))
            show_retried(each, as_json=as_json, missing="no dead letter has this id, nor has its execution")
            return
        done, _ = ask(settings, lambda connection: _retry_chosen(connection, Filter(function, queue)))
        if as_json:
            output.write_json(done)
        else:
            output.write(f"retried {done.retried:,} executions")
        for reason, count in done.refused.items():
            typer.echo(f"currant: {count:,} dead letters stay: {reason}", err=True)
        if done.refused:
            raise typer.Exit(FAILED)


@app.command("purge")
def purge_command(
    ids: LettersArgument = None,
    older_than: Annotated[
        float | None,
        typer.Option("--older-than", metavar="DURATION", parser=duration, help="Those of failures so long ago: 30d."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: JsonOption = False,
    database_url: DatabaseOption = None,
    embedded: EmbeddedOption = False,
) -> None:
    """Deletes dead letters. Their executions stay as they are, and nodes prune both in time by themselves.

    On a terminal it asks first; elsewhere --older-than and --all need --yes.
    """
    with named_database(database_url, embedded=embedded) as settings:
        if _are_named(ids, chosen=older_than is not None, everything=everything, ways="--older-than or --all"):
            _confirm(f"Delete the dead letters of {len(ids or []):,} ids?", yes=yes or not is_terminal(sys.stdin))
            count, _ = ask(settings, lambda connection: _purge_named(connection, ids or []))
        else:
            meant = (
                "all dead letters" if everything else f"the dead letters older than {output.duration(older_than or 0)}"
            )
            _confirm(f"Delete {meant}?", yes=yes)
            count, _ = ask(settings, lambda connection: _purge_older(connection, older_than or 0.0))
        if as_json:
            output.write_json({"deleted": count})
        else:
            output.write(f"deleted {count:,} dead letters")


def _are_named(ids: list[str] | None, *, chosen: bool, everything: bool, ways: str) -> bool:
    """Tells whether ids are meant, and not a choice; raises ConfigurationError unless it is one way alone."""
    if bool(ids) + chosen + everything != 1:
        raise ConfigurationError(f"name ids, or else one of {ways}: which dead letters are meant?")
    return bool(ids)


def _confirm(question: str, *, yes: bool) -> None:
    if yes:
        return
    if not is_terminal(sys.stdin):
        raise ConfigurationError("nobody can be asked here: say --yes if it is meant")
    if not typer.confirm(question, err=True):
        raise typer.Exit(FAILED)


async def _retry_named(connection: Connection, ids: list[str]) -> list[Retried]:
    letters = await inspection.find_dead(connection, ids)
    executions = {letter.id: letter.execution_id for letter in letters}
    meant = set(executions) | set(executions.values())
    retried = await inspection.retry(connection, list(dict.fromkeys(executions.values())), list(executions))
    # A dead letter that is not there is no more than that, whatever its execution does.
    return retried + [Retried(id, None, None, False) for id in dict.fromkeys(ids) if id not in meant]


async def _retry_chosen(connection: Connection, which: Filter) -> Sum:
    count, refused = 0, Counter[str]()
    async for letters in inspection.walk_dead(connection, which):
        executions = list(dict.fromkeys(execution_id for _, execution_id in letters))
        each = await inspection.retry(connection, executions, [id for id, _ in letters])
        count += sum(one.retried for one in each)
        refused.update(reason for one in each if (reason := reason_of(one)) is not None)
    return Sum(count, dict(refused))


async def _purge_named(connection: Connection, ids: list[str]) -> int:
    letters = await inspection.find_dead(connection, ids)
    known = {letter.id for letter in letters} | {letter.execution_id for letter in letters}
    missing = [id for id in ids if id not in known]
    if missing:
        raise CurrantError(f"no dead letter has the id {missing[0]}, nor has its execution; nothing was deleted")
    return await inspection.delete_dead(connection, [letter.id for letter in letters])


async def _purge_older(connection: Connection, older_s: float) -> int:
    count = 0
    async for letters in inspection.walk_dead(connection, Filter(), older_s=older_s):
        count += await inspection.delete_dead(connection, [id for id, _ in letters])
    return count


def _plain(letter: DeadLetter) -> dict[str, object]:
    values = msgspec.structs.asdict(letter)
    del values["execution"]
    return values


def _show_list(letters: list[DeadLetter], now_s: float) -> None:
    page = Page()
    if not letters:
        page.add("no dead letter is like that")
        return
    columns: dict[str, Callable[[DeadLetter], output.Cell]] = {
        "execution": lambda each: each.execution_id,
        "function": lambda each: each.function or "",
        "queue": lambda each: each.queue or "",
        "failed": lambda each: output.age(each.failed_at, now_s),
        "error": lambda each: each.error_type or "",
        "reason": lambda each: each.reason,
    }
    if page.narrow:
        del columns["queue"], columns["reason"]
    page.add(output.table(*columns, rows=[[cell(each) for cell in columns.values()] for each in letters]))


def _show(letter: DeadLetter, now_s: float) -> None:
    page = Page()
    values = msgspec.structs.asdict(letter)
    row = values.pop("execution")
    values["failed_at"] = output.dated(letter.failed_at, now_s)
    error = row.get("error") if isinstance(row, dict) else None
    kept = {name: value for name, value in row.items() if name != "error"} if isinstance(row, dict) else row
    page.add(output.pairs([*values.items(), ("row", kept)]))
    if isinstance(error, dict):
        told = error.get("traceback") or f"{error.get('type')}: {error.get('message')}"
        page.add(str(told).rstrip(), style="red")
