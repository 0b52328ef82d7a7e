"""The options of `currant bench`, in the groups in which its help shows them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from currant import settings as setting
from currant.bench.jobs import KINDS, MIX, JobSpec
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
)
from currant.cli.values import duration

_WHAT, _JOBS, _ENQUEUEING = "What to measure", "Jobs", "Enqueueing"
_NODE, _MODES, _RESULTS = "currantd", "For single modes", "Results"


def _mix() -> str:
    return ",".join(f"{kind}={100 * share:g}" for kind, share in MIX)


def _numbers(numbers: Sequence[int]) -> str:
    return ",".join(map(str, numbers))


Mode = Annotated[
    str | None,
    typer.Option(
        "--mode",
        metavar="MODES",
        help=f"One or several of {', '.join(MODES)}, with commas. [capacity,steady; with --rate: steady]",
        rich_help_panel=_WHAT,
    ),
]
Jobs = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        metavar="N",
        help=f"How many jobs in each run. [{JOBS:,} without --duration]",
        rich_help_panel=_WHAT,
    ),
]
Duration = Annotated[
    float | None,
    typer.Option(
        "--duration",
        metavar="DURATION",
        parser=duration,
        help="How long each run may last, as 60s or 2m. With --jobs: whichever ends first.",
        rich_help_panel=_WHAT,
    ),
]
WarmupPercent = Annotated[
    float,
    typer.Option(
        "--warmup-percent",
        metavar="N",
        help="The share of the jobs, the first ones, that no figure counts. [10]",
        show_default=False,
        rich_help_panel=_WHAT,
    ),
]
Repeat = Annotated[
    int,
    typer.Option(
        "--repeat",
        metavar="N",
        help="Measure so often, the modes by turns; figures are medians. [1]",
        show_default=False,
        rich_help_panel=_WHAT,
    ),
]
Queues = Annotated[
    str | None,
    typer.Option("--queues", metavar="NAMES", help="The queues, as a,b. [one]", rich_help_panel=_JOBS),
]
QueueDistribution = Annotated[
    str | None,
    typer.Option(
        "--queue-distribution",
        metavar="SHARES",
        help="What part of the jobs each queue gets, as 70,30. [equal parts]",
        rich_help_panel=_JOBS,
    ),
]
PayloadBytes = Annotated[
    int,
    typer.Option(
        "--payload-bytes",
        metavar="N",
        help="The size of each job's arguments. [0]",
        show_default=False,
        rich_help_panel=_JOBS,
    ),
]
JobType = Annotated[
    str | None,
    typer.Option("--job-type", metavar="|".join(KINDS), help="What each job does. [noop]", rich_help_panel=_JOBS),
]
SleepMs = Annotated[
    float | None,
    typer.Option("--sleep-ms", metavar="MS", help=f"sleep: how long. [{JobSpec.sleep_ms:g}]", rich_help_panel=_JOBS),
]
CpuMs = Annotated[
    float | None,
    typer.Option(
        "--cpu-ms",
        metavar="MS",
        help=f"cpu: how much of its thread's time. [{JobSpec.cpu_ms:g}]",
        rich_help_panel=_JOBS,
    ),
]
IoBytes = Annotated[
    int | None,
    typer.Option(
        "--io-bytes",
        metavar="N",
        help=f"io: how much goes through a pair of sockets. [{JobSpec.io_bytes}]",
        rich_help_panel=_JOBS,
    ),
]
FailPercent = Annotated[
    float | None,
    typer.Option(
        "--fail-percent",
        metavar="N",
        help=f"fail: which share of the jobs does. [{JobSpec.fail_percent:g}]",
        rich_help_panel=_JOBS,
    ),
]
Retries = Annotated[
    int | None,
    typer.Option(
        "--retries",
        metavar="N",
        help=f"fail: how often each is tried again. [{JobSpec.retries}]",
        rich_help_panel=_JOBS,
    ),
]
Mix = Annotated[
    str | None,
    typer.Option("--mix", metavar="KINDS", help=f"mixed: of what. [{_mix()}]", rich_help_panel=_JOBS),
]
Rate = Annotated[
    float | None,
    typer.Option(
        "--rate",
        metavar="N",
        help=f"Jobs enqueued a second, whatever becomes of them. [{RATE_PER_S:,.0f}]",
        rich_help_panel=_ENQUEUEING,
    ),
]
Arrivals = Annotated[
    str,
    typer.Option(
        "--arrivals",
        metavar="|".join(ARRIVALS),
        help="How the rate is spread over time. [even]",
        show_default=False,
        rich_help_panel=_ENQUEUEING,
    ),
]
Enqueue = Annotated[
    str | None,
    typer.Option(
        "--enqueue",
        metavar="|".join(ENQUEUES),
        help="One INSERT for each job, or for many. [single at a rate, else many]",
        rich_help_panel=_ENQUEUEING,
    ),
]
Enqueuers = Annotated[
    int | None,
    typer.Option(
        "--enqueuers",
        metavar="N",
        help=f"How many enqueue at once. [{ENQUEUERS_SINGLE} or more, by the rate; {ENQUEUERS_MANY} in bulk;"
        f" {ENQUEUERS_CROWD} in the mode enqueue]",
        rich_help_panel=_ENQUEUEING,
    ),
]
Seed = Annotated[
    int,
    typer.Option(
        "--seed",
        metavar="N",
        help="Of what is left to chance: arrivals, queues, kinds of jobs. [0]",
        show_default=False,
        rich_help_panel=_ENQUEUEING,
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        metavar="N",
        help="Child processes. [one per core; 100 in the mode idle]",
        rich_help_panel=_NODE,
    ),
]
Concurrency = Annotated[
    int,
    typer.Option(
        "--concurrency",
        metavar="N",
        help="Executions at a time in each child. [64]",
        show_default=False,
        rich_help_panel=_NODE,
    ),
]
ClaimBatch = Annotated[
    int | None,
    typer.Option("--claim-batch", metavar="N", help="The most executions of a claim.", rich_help_panel=_NODE),
]
CompleteBatch = Annotated[
    int | None,
    typer.Option("--complete-batch", metavar="N", help="The most executions of a completion.", rich_help_panel=_NODE),
]
NoPrefetch = Annotated[bool, typer.Option("--no-prefetch", help="Claim for free slots alone.", rich_help_panel=_NODE)]
NoMetrics = Annotated[
    bool,
    typer.Option(
        "--no-metrics", help="Serve no metrics, which else are asked for once a second.", rich_help_panel=_NODE
    ),
]
Poll = Annotated[
    float | None,
    typer.Option(
        "--poll",
        metavar="DURATION",
        parser=duration,
        help="Ask for work so often, in place of listening.",
        rich_help_panel=_NODE,
    ),
]
P99Limit = Annotated[
    float,
    typer.Option(
        "--p99-limit",
        metavar="MS",
        help=f"sweep: which p99 from enqueued to completed is still good. [{P99_LIMIT_MS:g}]",
        show_default=False,
        rich_help_panel=_MODES,
    ),
]
ScaleWorkers = Annotated[
    str | None,
    typer.Option(
        "--scale-workers",
        metavar="NUMBERS",
        help=f"scale: with how many workers. [{_numbers(SCALE_WORKERS)}]",
        rich_help_panel=_MODES,
    ),
]
Idle = Annotated[
    float,
    typer.Option(
        "--idle-for",
        metavar="DURATION",
        parser=duration,
        help=f"idle: for how long. [{IDLE_S:g}s]",
        show_default=False,
        rich_help_panel=_MODES,
    ),
]
RampRows = Annotated[
    str | None,
    typer.Option(
        "--backlogs",
        metavar="NUMBERS",
        help=f"ramp: at which backlogs. [{_numbers(RAMP_ROWS)}]",
        rich_help_panel=_MODES,
    ),
]
JsonFile = Annotated[
    Path | None,
    typer.Option("--json", metavar="FILE", help="Write all results to this file.", rich_help_panel=_RESULTS),
]
CsvFile = Annotated[
    Path | None,
    typer.Option("--csv", metavar="FILE", help="Write the figures as a table.", rich_help_panel=_RESULTS),
]
HtmlFile = Annotated[
    Path | None,
    typer.Option("--report", metavar="FILE", help="Write one HTML page with plots.", rich_help_panel=_RESULTS),
]
Embedded = Annotated[
    bool,
    typer.Option(
        "--embedded",
        help="Use a throwaway Postgres even if CURRANT_DATABASE_URL is set.",
        rich_help_panel=setting.DATABASE,
    ),
]
