"""A run as lines of text for a terminal 80 columns wide: what is not known is left out."""

import statistics
import textwrap
from collections.abc import Iterator

from rich.text import Text

from currant.bench.amounts import amount, bar, levels, merged, percent, size
from currant.bench.results import Cpu, Memory, Percentiles, Run, StatementUse

WIDTH = 80
#: Lines of a histogram, characters of its longest bar, and lines of statements: a screen holds two modes' answers.
HISTOGRAM_LINES, BAR_WIDTH, STATEMENT_LINES = 10, 40, 4
#: With more of them, a character for each child says less than the least and the most.
CHILDREN_SHOWN = 8
#: Statements that every job needs are shown however few there are.
_ALWAYS = ("claim", "complete")
_PERCENTILES = ("p50", "p90", "p95", "p99", "p999", "max", "mean")


def run_lines(run: Run, *, brief: bool = False) -> Iterator[Text]:
    """Returns the run's lines.

    Args:
        brief: the rates, the latencies and what they cost alone.
    """
    yield Text.assemble(("  " + run.label, "bold"), (": " + _setting(run), "dim"))
    yield from _rates(run)
    if not run.backlogged:
        yield from _latencies(run)
        if not brief:
            yield from _histogram(run)
    yield from _costs(run, brief=brief)
    if extra := ", ".join(f"{name.replace('_', ' ')} {amount(value)}" for name, value in run.extra.items()):
        lines = textwrap.wrap(f"also: {extra}", WIDTH - 4)
        yield from (Text("    " + line) for line in lines)
    if troubles := ", ".join(f"{count:,} {name}" for name, count in troubles_of(run).items() if count):
        yield _line("trouble", "", "", troubles, style="yellow")
    if not brief:
        yield from _statements(run.statements)


def _line(name: str, value: str, unit: str, more: str = "", style: str = "") -> Text:
    """Returns a name, a number whose ends stand below each other, its unit, and what else there is to say."""
    return Text(f"    {name:<11}{value:>8} {unit:<8}  {more}".rstrip(), style=style)


def _setting(run: Run) -> str:
    parts = []
    if run.completed or run.enqueued:
        warmup = f" ({run.warmup_jobs:,} warm-up)" if run.warmup_jobs else ""
        parts.append(f"{run.enqueued:,} × {run.job}{warmup}")
    parts.append(f"{run.workers} children × {run.concurrency}")
    if run.rate_per_s is not None:
        parts.append(f"{amount(run.rate_per_s)}/s {run.arrivals or 'even'}")
    return ", ".join(parts)


def _rates(run: Run) -> Iterator[Text]:
    if run.completed:
        more = ""
        if spread := run.throughput_spread:
            more = f"p5 {amount(spread.p5)}  p50 {amount(spread.p50)}  p95 {amount(spread.p95)}"
        yield _line("throughput", amount(run.throughput_per_s), "jobs/s", more)
    if floor := run.floor:
        halves = f"before {amount(floor.before_per_s)}"
        if floor.after_per_s is not None:
            halves += f", after {amount(floor.after_per_s)}"
        ratio = f"ratio {run.throughput_per_s / floor.per_s:.2f}; " if floor.per_s else ""
        yield _line("SQL floor", amount(floor.per_s), "jobs/s", ratio + halves)
    # At a rate that was held it says nothing new.
    if run.enqueue_per_s is not None and not _close(run.enqueue_per_s, run.throughput_per_s):
        how = "in bulk" if run.enqueue == "many" else "one by one"
        yield _line("enqueued", amount(run.enqueue_per_s), "jobs/s", f"{how}, {run.enqueuers:,} at once")


def _close(one: float, other: float) -> bool:
    return abs(one - other) <= 0.01 * max(one, other)


def _latencies(run: Run) -> Iterator[Text]:
    rows = [("  start", run.start_ms), ("  complete", run.complete_ms)]
    if any(latency for _, latency in rows):
        head = "".join(f"{'p99.9' if name == 'p999' else name:>8}" for name in _PERCENTILES)
        yield Text(f"    {'enqueue to, ms':<14}{head}", style="dim")
    for name, latency in rows:
        if latency is not None:
            yield Text(f"    {name:<14}" + "".join(f"{value:>8}" for value in _values(latency)))


def _values(latency: Percentiles) -> list[str]:
    return [amount(getattr(latency, name)) for name in _PERCENTILES]


def _histogram(run: Run) -> Iterator[Text]:
    buckets = merged(run.histogram, HISTOGRAM_LINES)
    total = sum(bucket.count for bucket in buckets)
    most = max((bucket.count for bucket in buckets), default=0)
    for place, bucket in enumerate(buckets):
        share = percent(bucket.count / total) + " %" if bucket.count else ""
        drawn = bar(bucket.count / most, BAR_WIDTH)
        name = "    complete" if place == 0 else ""
        yield Text.assemble(f"{name:<12}{f'≤ {bucket.up_to_ms:g} ms':>12} ", (drawn, "cyan"), f" {share}".rstrip())


def _costs(run: Run, *, brief: bool) -> Iterator[Text]:
    if run.utilization is not None:
        yield _line("children", percent(run.utilization), "% busy", _busy(run))
    if run.wal_bytes_per_job is not None and not brief:
        value, unit = size(run.wal_bytes_per_job)
        yield _line("WAL", value, f"{unit}/job")
    if cpu := run.cpu_s_per_1000:
        yield _line("CPU", amount(_whole_cpu(cpu) * 1000), "ms/1,000", _parts_of_cpu(cpu))
    if run.memory and not brief:
        yield _memory(run.memory)


def _busy(run: Run) -> str:
    if len(run.children) < 2:
        return ""
    shares = [child.utilization for child in run.children]
    text = f"min {percent(min(shares))}  median {percent(statistics.median(shares))}  max {percent(max(shares))}"
    return f"{text}  {levels(shares)}" if len(shares) <= CHILDREN_SHOWN else text


def _whole_cpu(cpu: Cpu) -> float:
    """Returns what the system costs; the bench itself is no part of it."""
    return cpu.supervisor + cpu.children + (cpu.postgres or 0.0)


def _parts_of_cpu(cpu: Cpu) -> str:
    postgres = "Postgres unseen" if cpu.postgres is None else f"Postgres {amount(cpu.postgres * 1000)}"
    return f"supervisor {amount(cpu.supervisor * 1000)}  children {amount(cpu.children * 1000)}  {postgres}"


def _memory(memory: Memory) -> Text:
    parts = [
        f"{name} {number / 1e6:,.0f}"
        for name, number in (
            ("supervisor", memory.supervisor),
            ("children", memory.children),
            ("fork server", memory.fork_server),
        )
        if number
    ]
    whole = memory.supervisor + memory.children + memory.fork_server
    return _line("memory", f"{whole / 1e6:,.0f}", "MB peak", "  ".join(parts))


def troubles_of(run: Run) -> dict[str, int]:
    """Returns how often what should not happen did, by its name."""
    return {"failed": run.failed, "retries": run.retries, "connection errors": run.connection_errors}


def _statements(statements: list[StatementUse]) -> Iterator[Text]:
    if not statements:
        return
    told = any(use.server_calls is not None for use in statements)
    head = f"    {'statements':<24}{'per job':>9}{'per s':>9}{'mean ms':>9}{'calls':>10}"
    yield Text(head + (f"{'by server':>11}" if told else ""), style="dim")
    ordered = sorted(statements, key=lambda use: (use.name not in _ALWAYS, -use.calls))
    # A line that says "one other" could as well be that one's.
    shown = ordered[: STATEMENT_LINES if len(ordered) > STATEMENT_LINES + 1 else STATEMENT_LINES + 1]
    for use in sorted(shown, key=lambda use: -use.calls):
        name = use.name if use.who == "currantd" else f"{use.name} ({use.who})"
        server = "" if use.server_calls is None else f"{use.server_calls:,}"
        yield _statement(name, use.per_job, use.per_s, amount(use.mean_ms), use.calls, server)
    if rest := ordered[len(shown) :]:
        per_job, per_s = sum(use.per_job for use in rest), sum(use.per_s for use in rest)
        yield _statement(f"{len(rest)} others", per_job, per_s, "", sum(use.calls for use in rest), "")


def _statement(name: str, per_job: float, per_s: float, mean_ms: str, calls: int, server: str) -> Text:
    text = f"    {name:<24}{amount(per_job):>9}{amount(per_s):>9}{mean_ms:>9}{calls:>10,}{server:>11}"
    return Text(text.rstrip())
