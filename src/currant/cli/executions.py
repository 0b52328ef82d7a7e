"""`currant status`, `list`, `cancel` and `retry`: single executions."""

from collections.abc import Callable
from typing import Annotated

import msgspec
import typer

from currant.cli import output
from currant.cli.common import DatabaseOption, EmbeddedOption, ask, named_database
from currant.cli.exits import FAILED, NOT_IN_TIME
from currant.cli.output import Page
from currant.cli.values import FunctionOption, JsonOption, LimitOption, QueueOption, duration, stored
from currant.errors import CurrantError
from currant.executions import Status
from currant.records import Cancelled, Listed, Record, Retried
from currant.store import inspection, queries
from currant.store.connections import Connection
from currant.store.inspection import Filter, Found
from currant.store.parking import UNKNOWN_FUNCTION

WITHIN_S = 5.0

IdsArgument = Annotated[list[str], typer.Argument(parser=stored, help="The ids, as `.queue()` returned them.")]


def status_command(
    id: Annotated[str, typer.Argument(parser=stored, help="The execution's id, as `.queue()` returned it.")],
    as_json: JsonOption = False,
    database_url: DatabaseOption = None,
    embedded: EmbeddedOption = False,
) -> None:
    """Shows one execution: all that the database knows of it."""
    with named_database(database_url, embedded=embedded) as settings:
        record, now_s = ask(settings, lambda connection: inspection.get(connection, id))
        if record is None:
            raise CurrantError(f"no execution has the id {id}")
        if as_json:
            output.write_json(record)
        else:
            _show(record, now_s)


def list_command(
    queue: QueueOption = None,
    statuses: Annotated[
        list[Status] | None,
        typer.Option(
            "--status", "-s", metavar="STATUS", help=f"Only in this state; may be repeated: {', '.join(Status)}."
        ),
    ] = None,
    function: FunctionOption = None,
    since: Annotated[
        float | None,
        typer.Option("--since", metavar="DURATION", parser=duration, help="Only those enqueued so long ago at most."),
    ] = None,
    limit: LimitOption = 50,
    within: Annotated[
        float | None,
        typer.Option(
            "--within", metavar="DURATION", parser=duration, help=f"How long to look for them. [{WITHIN_S:g}s]"
        ),
    ] = None,
    as_json: JsonOption = False,
    database_url: DatabaseOption = None,
    embedded: EmbeddedOption = False,
) -> None:
    """Lists executions, the newest first.

    The newest by their ids, which sort by time; those that version 1 enqueued have random ones. There is no index over
    states and functions: executions are looked at one after the other until enough are found or the time is over. Then
    what was found is shown, standard error says so, and the exit code is 4.
    """
    within_s = WITHIN_S if within is None else within
    with named_database(database_url, embedded=embedded) as settings:

        async def find(connection: Connection) -> Found:
            return await inspection.list_executions(
                connection,
                Filter(function, queue),
                statuses=[each.value for each in statuses or ()],
                since_s=since,
                rows=limit,
                within_s=within_s,
            )

        found, now_s = ask(settings, find)
        if as_json:
            output.write_json(found.executions)
        elif found.executions or found.complete:
            _show_list(found.executions, now_s)
        if not found.complete:
            _say(
                f"{len(found.executions):,} found among the newest {found.seen:,}, and not {limit:,}, within"
                f" {within_s:g} s: give it longer with --within, or ask for fewer with --limit"
            )
            raise typer.Exit(NOT_IN_TIME)


def cancel_command(
    ids: IdsArgument,
    as_json: JsonOption = False,
    database_url: DatabaseOption = None,
    embedded: EmbeddedOption = False,
) -> None:
    """Cancels executions: one that waits at once, one that runs as soon as its function lets it.

    Of one that runs, this says that its node was asked; `currant status` shows when it has ended. Exit code 1 when one
    had ended before, or is not there; the others are cancelled all the same.
    """
    with named_database(database_url, embedded=embedded) as settings:
        (each), _ = ask(settings, lambda connection: _cancel(connection, ids))
        show_cancelled("currant", each, as_json=as_json)


def retry_command(
    ids: IdsArgument,
    as_json: JsonOption = False,
    database_url: DatabaseOption = None,
    embedded: EmbeddedOption = False,
) -> None:
    """Runs failed and cancelled executions again, with all their retries, and removes their dead letters.

    They keep their ids, and their error until they end anew. Exit code 1 when one is in another state, or is not there;
    the others are retried all the same.
    """

    async def retry(connection: Connection) -> list[Retried]:
        letters = await inspection.find_dead(connection, ids)
        return await inspection.retry(connection, ids, [letter.id for letter in letters if letter.execution_id in ids])

    with named_database(database_url, embedded=embedded) as settings:
        each, _ = ask(settings, retry)
        show_retried(each, as_json=as_json)


def show_cancelled(command: str, each: list[Cancelled], *, as_json: bool) -> None:
    """Prints what became of cancels; ends with exit code 1 when one was refused."""
    if as_json:
        output.write_json(each)
    for one in each:
        if not one.cancelled:
            typer.echo(f"{command}: {one.id}: {one.reason}", err=True)
        elif not as_json:
            output.write(f"{one.id} cancelled" if one.status == "cancelled" else f"{one.id} runs: asked to end")
    if not all(one.cancelled for one in each):
        raise typer.Exit(FAILED)


def show_retried(each: list[Retried], *, as_json: bool, missing: str = "no execution has this id") -> None:
    """Prints what became of retries; ends with exit code 1 when one was refused.

    Args:
        missing: what is said of an id that nothing has.
    """
    reasons = {one.id: missing if one.status is None else reason_of(one) for one in each}
    if as_json:
        output.write_json([{**msgspec.structs.asdict(one), "reason": reasons[one.id]} for one in each])
    for one in each:
        if not one.retried:
            _say(f"{one.id}: {reasons[one.id]}")
        elif not as_json:
            output.write(f"{one.id} is pending again")
    if not all(one.retried for one in each):
        raise typer.Exit(FAILED)


def reason_of(one: Retried) -> str | None:
    """Returns why executions like this one were not retried; None when it was."""
    if one.retried:
        return None
    if one.status is None:
        return "their executions are not there any more"
    if one.type != "job":
        return f"of type {one.type}, which Currant does not run"
    return f"{one.status}: only failed and cancelled executions can be retried"


async def _cancel(connection: Connection, ids: list[str]) -> list[Cancelled]:
    ids = list(dict.fromkeys(ids))
    done = await queries.cancel(connection, ids)
    ended = {each.id: each.status for each in await queries.ended(connection, ids)}
    return [Cancelled.of(id, id in done, ended) for id in ids]


def _say(message: str) -> None:
    typer.echo(f"currant: {message}", err=True)


def _show(record: Record, now_s: float) -> None:
    page = Page()
    values = msgspec.structs.asdict(record)
    error = values.pop("error")
    # Nobody has to be told of what nobody asked for.
    for name, plain in (("type", "job"), ("crashes", 0), ("lease", 0)):
        if values[name] == plain:
            del values[name]
    if _is_parked(record.status, error.get("type") if isinstance(error, dict) else None):
        values["run_at"] = None
    for name in [name for name in values if name.endswith("_at") or name in ("deadline", "unique_until")]:
        values[name] = output.dated(values[name], now_s)
    for name in ("args", "kwargs", "result"):
        values[name] = None if values[name] is None else output.as_json(values[name])
    values["status"] = output.status(record.status)
    page.add(output.pairs(values.items()))
    if error:
        # The traceback ends with type and message.
        known = error if isinstance(error, dict) else {"type": "error", "message": error}
        told = known.get("traceback") or f"{known.get('type')}: {known.get('message')}"
        page.add(str(told).rstrip(), style="red")


def _show_list(executions: list[Listed], now_s: float) -> None:
    page = Page()
    if not executions:
        page.add("no execution to show")
        return
    columns: dict[str, Callable[[Listed], output.Cell]] = {
        "id": lambda each: each.id,
        "status": lambda each: output.status(each.status),
        "function": lambda each: each.function,
        "queue": lambda each: each.queue,
        "attempt": _attempt,
        "enqueued": lambda each: output.age(each.created_at, now_s),
        "exactly": lambda each: output.exact(each.created_at),
        "note": lambda each: _note(each, now_s),
    }
    if page.narrow:
        del columns["queue"], columns["attempt"]
    if not page.wide:
        del columns["exactly"]
    rows = [[cell(each) for cell in columns.values()] for each in executions]
    page.add(output.table(*columns, rows=rows))


def _attempt(each: Listed) -> str:
    runs = each.attempt - each.crashes
    return f"{runs} of {each.max_retries + 1}" if runs else ""


def _is_parked(status: str, error_type: object) -> bool:
    return status == Status.SCHEDULED and error_type == UNKNOWN_FUNCTION


def _note(each: Listed, now_s: float) -> str:
    if _is_parked(each.status, each.error_type):
        return "parked until a node knows its function"
    notes = [f"runs {output.age(each.run_at, now_s)}" if each.run_at else "", each.error_type or ""]
    return ", ".join(note for note in notes if note)
