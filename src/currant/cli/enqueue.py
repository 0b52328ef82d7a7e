"""`currant enqueue`: one execution from the command line."""

import asyncio
import time
from datetime import datetime
from typing import Annotated, Any

import msgspec
import typer

from currant import settings as setting
from currant.backends import Ended, Enqueued
from currant.cli import output
from currant.cli.common import DatabaseOption, EmbeddedOption, ask, database, reported, setting_option
from currant.cli.exits import ENDED_BADLY, NOT_IN_TIME
from currant.cli.finding import find_job, parse_json
from currant.cli.values import JsonOption, duration, moment, stored
from currant.errors import ConfigurationError, PayloadError
from currant.identifiers import new_ids
from currant.jobs import Call, Job
from currant.payload import check_size
from currant.settings import Settings
from currant.store import enqueue as store_enqueue
from currant.store import queries
from currant.store.connections import Connection

_POLL_S = (0.02, 0.5)
_HOW, _WHEN, _WAIT = "How it runs", "When it runs", "Waiting for it"


class Report(msgspec.Struct):
    """What the command answers to programs. `status` and what follows: None unless it was waited for."""

    id: str
    first: bool
    status: str | None = None
    result: Any = None
    error: Any = None


def enqueue_command(
    function: Annotated[str, typer.Argument(parser=stored, help="Its name: module.function, or what name= says.")],
    args: Annotated[str, typer.Option("--args", metavar="JSON", help="Positional arguments: a JSON array.")] = "[]",
    kwargs: Annotated[str, typer.Option("--kwargs", metavar="JSON", help="Named arguments: a JSON object.")] = "{}",
    modules: Annotated[list[str] | None, setting_option("modules", "--modules", "-m", metavar="MODULE")] = None,
    queue: Annotated[
        str | None, typer.Option("--queue", "-q", metavar="QUEUE", help="Where it waits.", rich_help_panel=_HOW)
    ] = None,
    priority: Annotated[
        int | None, typer.Option("--priority", metavar="N", help="Higher runs first.", rich_help_panel=_HOW)
    ] = None,
    retries: Annotated[
        int | None,
        typer.Option("--retries", metavar="N", help="How often it is tried again.", rich_help_panel=_HOW),
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option(
            "--timeout", metavar="DURATION", parser=duration, help="How long a run may take.", rich_help_panel=_HOW
        ),
    ] = None,
    delay: Annotated[
        float | None,
        typer.Option(
            "--delay",
            metavar="DURATION",
            parser=duration,
            help="Runs so much later at the earliest.",
            rich_help_panel=_WHEN,
        ),
    ] = None,
    run_at: Annotated[
        datetime | None,
        typer.Option(
            "--run-at",
            metavar="MOMENT",
            parser=moment,
            help="Runs then at the earliest: 2030-01-31T09:00Z.",
            rich_help_panel=_WHEN,
        ),
    ] = None,
    unique: Annotated[
        str | None,
        typer.Option(
            "--unique",
            metavar="KEY",
            help="Makes none while one of the function with this key has not ended.",
            rich_help_panel=_WHEN,
        ),
    ] = None,
    unique_for: Annotated[
        float | None,
        typer.Option(
            "--unique-for",
            metavar="DURATION",
            parser=duration,
            help="How long the key is held at least.",
            rich_help_panel=_WHEN,
        ),
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for its end and print its result.", rich_help_panel=_WAIT)
    ] = False,
    wait_for: Annotated[
        float | None,
        typer.Option(
            "--wait-for", metavar="DURATION", parser=duration, help="The same, so long at most.", rich_help_panel=_WAIT
        ),
    ] = None,
    as_json: JsonOption = False,
    database_url: DatabaseOption = None,
    embedded: EmbeddedOption = False,
) -> None:
    """Enqueues one execution, and prints its id.

    Imports the module that the name begins with, from the current directory or wherever Python finds it, or those of
    -m, and checks the arguments by the function's signature and annotations, as a node would. A duration is a number of
    seconds, or has a unit: 90s, 5min, 2h, 30d. What the function's own options say holds where nothing else is said.
    With --wait the second line is the result as JSON; exit code 3 when it failed or was cancelled, 4 when it has not
    ended in time and goes on.
    """
    named = {
        "queue": queue,
        "priority": priority,
        "retries": retries,
        "timeout": timeout,
        "delay": delay,
        "run_at": run_at,
        "unique": unique,
        "unique_for": unique_for,
    }
    with reported("currant"):
        given = {"database_url": database_url, "modules": ",".join(modules) if modules else None}
        settings = setting.load(given)
        with database(settings, embedded=embedded, url_option=database_url) as complete:
            arguments = parse_json(args, list, "--args"), parse_json(kwargs, dict, "--kwargs")
            job = find_job(function, complete.modules, first=modules is not None)
            call = _call(job, arguments, {name: value for name, value in named.items() if value is not None}, complete)
            _enqueue(complete, call, wait=wait or wait_for is not None, wait_s=wait_for, as_json=as_json)


def _call(job: Job[..., Any], arguments: tuple[bytes, bytes], named: dict[str, Any], settings: Settings) -> Call:
    """Raises ConfigurationError for whatever is wrong with the call."""
    try:
        call = job.options(**named).call_json(*arguments)
        new = call.execution
        check_size(len(new.args) + len(new.kwargs), settings.payload_bytes_max, f"{job.name}: args and kwargs")
    except (TypeError, PayloadError) as error:
        text = str(error)
        raise ConfigurationError(text if text.startswith(job.name) else f"{job.name}: {text}") from None
    return call


def _enqueue(settings: Settings, call: Call, *, wait: bool, wait_s: float | None, as_json: bool) -> None:
    async def insert(connection: Connection) -> Enqueued:
        (enqueued,) = await store_enqueue.enqueue(connection, new_ids(1), [call.execution])
        return enqueued

    enqueued, _ = ask(settings, insert)
    report = Report(enqueued.id, enqueued.first)
    if not as_json:
        output.write(enqueued.id)
        if not enqueued.first:
            typer.echo("currant: that one was there before, with the same unique key", err=True)
    if wait:
        ended, _ = ask(settings, lambda connection: _ended(connection, enqueued.id, wait_s))
        if ended is not None:
            report.status = ended.status or "gone"
            body = None if ended.body is None else msgspec.json.decode(ended.body)
            report.result, report.error = (body, None) if ended.status == "completed" else (None, body)
    if as_json:
        output.write_json(report)
    if wait:
        _tell_end(report, wait_s, as_json=as_json)


def _tell_end(report: Report, wait_s: float | None, *, as_json: bool) -> None:
    if report.status == "completed":
        if not as_json:
            output.write(output.as_json(report.result))
        return
    if report.status is None:
        typer.echo(f"currant: error: {report.id} has not ended within {wait_s:g} s; it goes on", err=True)
        raise typer.Exit(NOT_IN_TIME)
    error = report.error if isinstance(report.error, dict) else {}
    said = f" with {error.get('type')}: {error.get('message')}" if error else ""
    words = {"gone": "is not there any more: it was pruned, or its result is not kept", "cancelled": "was cancelled"}
    typer.echo(f"currant: error: {report.id} {words.get(report.status, report.status)}{said}", err=True)
    raise typer.Exit(ENDED_BADLY)


async def _ended(connection: Connection, id: str, wait_s: float | None) -> Ended | None:
    """Returns how it ended, or None when the time is over."""
    end = None if wait_s is None else time.monotonic() + wait_s
    pause_s = _POLL_S[0]
    while True:
        ended = await queries.ended(connection, [id])
        if ended:
            return ended[0]
        left_s = pause_s if end is None else end - time.monotonic()
        if left_s <= 0:
            return None
        await asyncio.sleep(min(pause_s, left_s))
        pause_s = min(1.5 * pause_s, _POLL_S[1])
