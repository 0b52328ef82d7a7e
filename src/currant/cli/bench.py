"""`currant bench`: what this machine and its Postgres do."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from currant import settings as setting
from currant.bench import checks, report
from currant.bench.jobs import KINDS, MIX, JobSpec, make_spec
from currant.bench.plan import (
    ARRIVALS,
    ENQUEUERS_CROWD,
    ENQUEUERS_MANY,
    ENQUEUERS_SINGLE,
    ENQUEUES,
    IDLE_S,
    JOBS,
    MODES,
    P99_LIMIT_MS,
    RAMP_ROWS,
    RATE_PER_S,
    SCALE_WORKERS,
    Switches,
    make_plan,
)
from currant.bench.run import run_bench
from currant.bench.targets import check_targets
from currant.bench.uses import check_used
from currant.cli import exits
from currant.cli.common import DatabaseOption, check_exclusive, reported, warn_of_password
from currant.cli.comparing import compare_command
from currant.cli.shell import App
from currant.cli.values import duration
from currant.errors import ConfigurationError

_WHAT, _JOBS, _ENQUEUEING = "What to measure", "Jobs", "Enqueueing"
_NODE, _MODES, _RESULTS = "currantd", "For single modes", "Results"
#: Not part of what was measured; an address may hold a password.
_UNTOLD = ("database_url", "json_file", "csv_file", "html_file")

app = App(invoke_without_command=True)


def _mix() -> str:
    return ",".join(f"{kind}={100 * share:g}" for kind, share in MIX)


def _numbers(numbers: Sequence[int]) -> str:
    return ",".join(map(str, numbers))


@app.callback()
def bench(
    context: typer.Context,
    mode: Annotated[
        str | None,
        typer.Option(
            "--mode",
            metavar="MODES",
            help=f"One or several of {', '.join(MODES)}, with commas. [capacity,steady; with --rate: steady]",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs",
            metavar="N",
            help=f"How many jobs in each run. [{JOBS:,} without --duration]",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    duration_s: Annotated[
        float | None,
        typer.Option(
            "--duration",
            metavar="DURATION",
            parser=duration,
            help="How long each run may last, as 60s or 2m. With --jobs: whichever ends first.",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    warmup_percent: Annotated[
        float,
        typer.Option(
            "--warmup-percent",
            metavar="N",
            help="The share of the jobs, the first ones, that no figure counts. [10]",
            show_default=False,
            rich_help_panel=_WHAT,
        ),
    ] = 10.0,
    repeat: Annotated[
        int,
        typer.Option(
            "--repeat",
            metavar="N",
            help="Measure so often, the modes by turns; figures are medians. [1]",
            show_default=False,
            rich_help_panel=_WHAT,
        ),
    ] = 1,
    queues: Annotated[
        str | None,
        typer.Option("--queues", metavar="NAMES", help="The queues, as a,b. [one]", rich_help_panel=_JOBS),
    ] = None,
    queue_distribution: Annotated[
        str | None,
        typer.Option(
            "--queue-distribution",
            metavar="SHARES",
            help="What part of the jobs each queue gets, as 70,30. [equal parts]",
            rich_help_panel=_JOBS,
        ),
    ] = None,
    payload_bytes: Annotated[
        int,
        typer.Option(
            "--payload-bytes",
            metavar="N",
            help="The size of each job's arguments. [0]",
            show_default=False,
            rich_help_panel=_JOBS,
        ),
    ] = 0,
    job_type: Annotated[
        str | None,
        typer.Option("--job-type", metavar="|".join(KINDS), help="What each job does. [noop]", rich_help_panel=_JOBS),
    ] = None,
    sleep_ms: Annotated[
        float | None,
        typer.Option(
            "--sleep-ms", metavar="MS", help=f"sleep: how long. [{JobSpec.sleep_ms:g}]", rich_help_panel=_JOBS
        ),
    ] = None,
    cpu_ms: Annotated[
        float | None,
        typer.Option(
            "--cpu-ms",
            metavar="MS",
            help=f"cpu: how much of its thread's time. [{JobSpec.cpu_ms:g}]",
            rich_help_panel=_JOBS,
        ),
    ] = None,
    io_bytes: Annotated[
        int | None,
        typer.Option(
            "--io-bytes",
            metavar="N",
            help=f"io: how much goes through a pair of sockets. [{JobSpec.io_bytes}]",
            rich_help_panel=_JOBS,
        ),
    ] = None,
    fail_percent: Annotated[
        float | None,
        typer.Option(
            "--fail-percent",
            metavar="N",
            help=f"fail: which share of the jobs does. [{JobSpec.fail_percent:g}]",
            rich_help_panel=_JOBS,
        ),
    ] = None,
    retries: Annotated[
        int | None,
        typer.Option(
            "--retries",
            metavar="N",
            help=f"fail: how often each is tried again. [{JobSpec.retries}]",
            rich_help_panel=_JOBS,
        ),
    ] = None,
    mix: Annotated[
        str | None,
        typer.Option("--mix", metavar="KINDS", help=f"mixed: of what. [{_mix()}]", rich_help_panel=_JOBS),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(
            "--rate",
            metavar="N",
            help=f"Jobs enqueued a second, whatever becomes of them. [{RATE_PER_S:,.0f}]",
            rich_help_panel=_ENQUEUEING,
        ),
    ] = None,
    arrivals: Annotated[
        str,
        typer.Option(
            "--arrivals",
            metavar="|".join(ARRIVALS),
            help="How the rate is spread over time. [even]",
            show_default=False,
            rich_help_panel=_ENQUEUEING,
        ),
    ] = "even",
    enqueue: Annotated[
        str | None,
        typer.Option(
            "--enqueue",
            metavar="|".join(ENQUEUES),
            help="One INSERT for each job, or for many. [single at a rate, else many]",
            rich_help_panel=_ENQUEUEING,
        ),
    ] = None,
    enqueuers: Annotated[
        int | None,
        typer.Option(
            "--enqueuers",
            metavar="N",
            help=f"How many enqueue at once. [{ENQUEUERS_SINGLE} or more, by the rate; {ENQUEUERS_MANY} in bulk;"
            f" {ENQUEUERS_CROWD} in the mode enqueue]",
            rich_help_panel=_ENQUEUEING,
        ),
    ] = None,
    seed: Annotated[
        int,
        typer.Option(
            "--seed",
            metavar="N",
            help="Of what is left to chance: arrivals, queues, kinds of jobs. [0]",
            show_default=False,
            rich_help_panel=_ENQUEUEING,
        ),
    ] = 0,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            metavar="N",
            help="Child processes. [one per core; 100 in the mode idle]",
            rich_help_panel=_NODE,
        ),
    ] = None,
    concurrency: Annotated[
        int,
        typer.Option(
            "--concurrency",
            metavar="N",
            help="Executions at a time in each child. [64]",
            show_default=False,
            rich_help_panel=_NODE,
        ),
    ] = 64,
    claim_batch: Annotated[
        int | None,
        typer.Option("--claim-batch", metavar="N", help="The most executions of a claim.", rich_help_panel=_NODE),
    ] = None,
    complete_batch: Annotated[
        int | None,
        typer.Option(
            "--complete-batch", metavar="N", help="The most executions of a completion.", rich_help_panel=_NODE
        ),
    ] = None,
    no_prefetch: Annotated[
        bool, typer.Option("--no-prefetch", help="Claim for free slots alone.", rich_help_panel=_NODE)
    ] = False,
    poll_s: Annotated[
        float | None,
        typer.Option(
            "--poll",
            metavar="DURATION",
            parser=duration,
            help="Ask for work so often, in place of listening.",
            rich_help_panel=_NODE,
        ),
    ] = None,
    p99_limit_ms: Annotated[
        float,
        typer.Option(
            "--p99-limit",
            metavar="MS",
            help=f"sweep: which p99 from enqueued to completed is still good. [{P99_LIMIT_MS:g}]",
            show_default=False,
            rich_help_panel=_MODES,
        ),
    ] = P99_LIMIT_MS,
    scale_workers: Annotated[
        str | None,
        typer.Option(
            "--scale-workers",
            metavar="NUMBERS",
            help=f"scale: with how many workers. [{_numbers(SCALE_WORKERS)}]",
            rich_help_panel=_MODES,
        ),
    ] = None,
    idle_s: Annotated[
        float,
        typer.Option(
            "--idle-for",
            metavar="DURATION",
            parser=duration,
            help=f"idle: for how long. [{IDLE_S:g}s]",
            show_default=False,
            rich_help_panel=_MODES,
        ),
    ] = IDLE_S,
    ramp_rows: Annotated[
        str | None,
        typer.Option(
            "--backlogs",
            metavar="NUMBERS",
            help=f"ramp: at which backlogs. [{_numbers(RAMP_ROWS)}]",
            rich_help_panel=_MODES,
        ),
    ] = None,
    json_file: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", help="Write all results to this file.", rich_help_panel=_RESULTS),
    ] = None,
    csv_file: Annotated[
        Path | None,
        typer.Option("--csv", metavar="FILE", help="Write the figures as a table.", rich_help_panel=_RESULTS),
    ] = None,
    html_file: Annotated[
        Path | None,
        typer.Option("--report", metavar="FILE", help="Write one HTML page with plots.", rich_help_panel=_RESULTS),
    ] = None,
    database_url: DatabaseOption = None,
    embedded: Annotated[
        bool,
        typer.Option(
            "--embedded",
            help="Use a throwaway Postgres even if CURRANT_DATABASE_URL is set.",
            rich_help_panel=setting.DATABASE,
        ),
    ] = False,
) -> None:
    """Measures what this machine and its Postgres do: the real currantd, in a schema of its own.

    capacity drains a backlog, beside the SQL floor: the same statements back to back on one connection; then enqueues
    and runs at once. steady measures the latency at a rate. sweep looks for the highest rate that keeps a p99; scale
    compares worker counts; idle counts the statements of a node without work; ramp looks at growing backlogs; phases
    switches currantd's ideas off, one by one; enqueue measures the enqueue alone. Without CURRANT_DATABASE_URL it runs
    on a throwaway Postgres. Fails when a job was lost or ran twice, or a rate was not held.
    """
    if context.invoked_subcommand is not None:
        with reported("currant bench"):
            _check_alone(context)
        return
    with reported("currant bench"):
        check_exclusive(embedded=embedded, url_option=database_url)
        settings = setting.load({"database_url": database_url})
        warn_of_password(database_url)
        plan = make_plan(
            modes=mode,
            workers=workers,
            default_workers=settings.procs,
            concurrency=concurrency,
            jobs=jobs,
            duration_s=duration_s,
            warmup_percent=warmup_percent,
            queues=queues,
            queue_distribution=queue_distribution,
            payload_bytes=payload_bytes,
            job=_job(
                job_type,
                sleep_ms=sleep_ms,
                cpu_ms=cpu_ms,
                io_bytes=io_bytes,
                fail_percent=fail_percent,
                retries=retries,
                mix=mix,
            ),
            rate=rate,
            arrivals=arrivals,
            enqueue=enqueue,
            enqueuers=enqueuers,
            seed=seed,
            repeat=repeat,
            p99_limit_ms=p99_limit_ms,
            scale_workers=scale_workers,
            idle_s=idle_s,
            ramp_rows=ramp_rows,
            switches=Switches(claim_batch, complete_batch, False if no_prefetch else None, poll_s),
        )
        check_used(_given(context), plan.modes)
        targets = check_targets({"--json": json_file, "--csv": csv_file, "--report": html_file})
        console = Console()
        url = None if embedded else settings.database_url
        try:
            document = run_bench(plan, url, console, embedded=embedded, command=_given(context))
        except KeyboardInterrupt:
            console.print("interrupted: currantd has ended, and what was made for it is removed")
            raise typer.Exit(exits.INTERRUPTED) from None
        report.show(document, console)
        targets.write(document)
        checks.raise_failed(document)


app.command("compare")(compare_command)


def _job(kind: str | None, **parameters: Any) -> JobSpec | None:
    """Returns None when none is asked for. Raises ConfigurationError for a parameter that breaks its rule."""
    nothing = kind is None and all(each is None for each in parameters.values())
    return None if nothing else make_spec(kind, **parameters)


def _check_alone(context: typer.Context) -> None:
    """Raises ConfigurationError when an option of the bench stands before the name of another command."""
    for each in context.command.params:
        source = context.get_parameter_source(each.name or "")
        if source is not None and source.name == "COMMANDLINE":
            raise ConfigurationError(f"{each.opts[0]} means nothing to {context.invoked_subcommand}")


def _given(context: typer.Context) -> list[str]:
    """Returns the options as given, but for the address and the files."""
    words: list[str] = []
    for each in context.command.params:
        name = each.name or ""
        source = context.get_parameter_source(name)
        if source is None or source.name != "COMMANDLINE" or name in _UNTOLD:
            continue
        value = context.params[name]
        words += (
            [each.opts[0]]
            if value is True
            else [each.opts[0], f"{value:g}" if isinstance(value, float) else str(value)]
        )
    return words
