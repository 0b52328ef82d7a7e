"""`currant bench`: what this machine and its Postgres do."""

from typing import Any

import typer
from rich.console import Console

from currant import settings as setting
from currant.bench import checks, report
from currant.bench.jobs import JobSpec, make_spec
from currant.bench.plan import IDLE_S, METRICS, P99_LIMIT_MS, Switches, make_plan
from currant.bench.run import run_bench
from currant.bench.targets import check_targets
from currant.bench.uses import check_used
from currant.cli import bench_options as options
from currant.cli import exits
from currant.cli.common import DatabaseOption, check_exclusive, reported, warn_of_password
from currant.cli.comparing import compare_command
from currant.cli.output import Page
from currant.cli.shell import App
from currant.errors import ConfigurationError

#: Not part of what was measured; an address may hold a password.
_UNTOLD = ("database_url", "json_file", "csv_file", "html_file")

app = App(invoke_without_command=True)


@app.callback()
def bench(
    context: typer.Context,
    mode: options.Mode = None,
    jobs: options.Jobs = None,
    duration_s: options.Duration = None,
    warmup_percent: options.WarmupPercent = 10.0,
    repeat: options.Repeat = 1,
    queues: options.Queues = None,
    queue_distribution: options.QueueDistribution = None,
    payload_bytes: options.PayloadBytes = 0,
    job_type: options.JobType = None,
    sleep_ms: options.SleepMs = None,
    cpu_ms: options.CpuMs = None,
    io_bytes: options.IoBytes = None,
    fail_percent: options.FailPercent = None,
    retries: options.Retries = None,
    mix: options.Mix = None,
    rate: options.Rate = None,
    arrivals: options.Arrivals = "even",
    enqueue: options.Enqueue = None,
    enqueuers: options.Enqueuers = None,
    seed: options.Seed = 0,
    workers: options.Workers = None,
    concurrency: options.Concurrency = 64,
    claim_batch: options.ClaimBatch = None,
    complete_batch: options.CompleteBatch = None,
    no_prefetch: options.NoPrefetch = False,
    no_metrics: options.NoMetrics = False,
    poll_s: options.Poll = None,
    p99_limit_ms: options.P99Limit = P99_LIMIT_MS,
    scale_workers: options.ScaleWorkers = None,
    idle_s: options.Idle = IDLE_S,
    ramp_rows: options.RampRows = None,
    json_file: options.JsonFile = None,
    csv_file: options.CsvFile = None,
    html_file: options.HtmlFile = None,
    database_url: DatabaseOption = None,
    embedded: options.Embedded = False,
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
            switches=Switches(
                claim_batch, complete_batch, False if no_prefetch else None, poll_s, None if no_metrics else METRICS
            ),
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
        try:
            Page().draw(lambda page: report.show(document, page))
        finally:
            # Also when nobody reads any more: it may have taken hours.
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
