"""What came out: for programs as JSON, for people as a table."""

import platform
from importlib import metadata

import msgspec
from rich.console import Console
from rich.table import Table

from currant.bench.results import Document
from currant.bench.terminal import show_document


class LatencyMs(msgspec.Struct):
    """In milliseconds; of a drain, how long the executions waited in the backlog."""

    p50: float
    p95: float
    p99: float
    max: float


class Report(msgspec.Struct, kw_only=True):
    """The JSON file. What only a drain, or only a paced run, measures is null in the other."""

    mode: str
    workers: int
    concurrency: int
    rate_per_s: float | None
    warmup_percent: float
    jobs: int
    completed: int
    lost: int
    doubled: int
    throughput_per_s: float
    floor_per_s: float | None
    floor_before_per_s: float | None
    floor_after_per_s: float | None
    ratio_to_floor: float | None
    latency_ms: LatencyMs
    postgres: str
    python: str = msgspec.field(default_factory=platform.python_version)
    currant: str = msgspec.field(default_factory=lambda: metadata.version("currant"))

    @property
    def complaint(self) -> str | None:
        """What is wrong with the table, in one line; None when every execution ran once."""
        if not self.lost and not self.doubled:
            return None
        return f"of {self.jobs:,} executions {self.lost:,} were lost and {self.doubled:,} were claimed more than once"


class EnqueueReport(msgspec.Struct, kw_only=True):
    """The JSON file of `--enqueue`. Rates are medians; a ratio is that of ours to the bare statement's."""

    mode: str
    jobs: int
    enqueue_per_s: float
    enqueue_bare_per_s: float
    enqueue_ratio: float
    enqueue_many_per_s: float
    enqueue_many_bare_per_s: float
    enqueue_many_ratio: float
    enqueuers: int
    enqueuers_per_s: float
    enqueuers_errors: int
    enqueuers_connections: int
    postgres: str
    python: str = msgspec.field(default_factory=platform.python_version)
    currant: str = msgspec.field(default_factory=lambda: metadata.version("currant"))

    @property
    def complaint(self) -> str | None:
        """What is wrong, in one line; None when every enqueue was written."""
        errors = self.enqueuers_errors
        return f"{errors:,} enqueues of {self.enqueuers:,} concurrent callers failed" if errors else None


def encode(report: Report | EnqueueReport) -> bytes:
    """Returns the JSON file's content."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"


def show(report: Report | EnqueueReport | Document, console: Console) -> None:
    """Prints the report for people."""
    if isinstance(report, Document):
        show_document(report, console)
        return
    table = Table(show_header=False, title=f"currant bench, {report.mode}", title_justify="left")
    for name, value in _enqueue_rows(report) if isinstance(report, EnqueueReport) else _rows(report):
        table.add_row(name, value)
    console.print(table)


def _rows(report: Report) -> list[tuple[str, str]]:
    drain = report.mode == "drain"
    latency = report.latency_ms
    rows = [
        ("jobs", f"{report.jobs:,}, the first {report.warmup_percent:g} % not counted"),
        ("workers × concurrency", f"{report.workers} × {report.concurrency}"),
        ("throughput", f"{report.throughput_per_s:,.0f}/s" + _asked(report)),
    ]
    if drain:
        before, after = report.floor_before_per_s or 0.0, report.floor_after_per_s
        halves = f" (before {before:,.0f}, after {'none' if after is None else f'{after:,.0f}'})"
        rows += [
            ("SQL floor", f"{report.floor_per_s:,.0f}/s" + halves),
            ("throughput ÷ floor", f"[bold]{report.ratio_to_floor:.2f}[/]"),
        ]
    what = "waited in the backlog" if drain else "enqueued to completed"
    rows += [
        (
            f"{what}, ms",
            f"p50 {latency.p50:,.1f}  p95 {latency.p95:,.1f}  p99 {latency.p99:,.1f}  max {latency.max:,.1f}",
        ),
        ("completed, lost, doubled", f"{report.completed:,}, {report.lost:,}, {report.doubled:,}"),
        ("versions", f"Currant {report.currant}, Python {report.python}, Postgres {report.postgres}"),
    ]
    return rows


def _enqueue_rows(report: EnqueueReport) -> list[tuple[str, str]]:
    def beside(per_s: float, bare_per_s: float, ratio: float) -> str:
        return f"{per_s:,.0f}/s, the bare INSERT {bare_per_s:,.0f}/s: [bold]{ratio:.2f}[/]"

    single = beside(report.enqueue_per_s, report.enqueue_bare_per_s, report.enqueue_ratio)
    many = beside(report.enqueue_many_per_s, report.enqueue_many_bare_per_s, report.enqueue_many_ratio)
    return [
        ("jobs in each round", f"{report.jobs:,}; one by one, a tenth"),
        (".queue() one by one", single),
        ("enqueue_many", many),
        (
            f"{report.enqueuers:,} callers at once",
            f"{report.enqueuers_per_s:,.0f}/s over {report.enqueuers_connections} connections,"
            f" {report.enqueuers_errors:,} errors",
        ),
        ("versions", f"Currant {report.currant}, Python {report.python}, Postgres {report.postgres}"),
    ]


def _asked(report: Report) -> str:
    return "" if report.rate_per_s is None else f" (asked for: {report.rate_per_s:,g}/s, enqueued one by one)"
