"""A run's tables."""

from collections.abc import Iterable

from currant.bench.page.markup import Html, element, table
from currant.bench.page.numbers import NONE, per_s, share, short, size
from currant.bench.results import Run, StatementUse

LATENCIES = ("p50", "p90", "p95", "p99", "p999", "max", "mean")


def of_run(run: Run) -> Iterable[tuple[str, Html]]:
    """Yields titles and tables."""
    if run.start_ms or run.complete_ms:
        yield "Latency, ms", _latencies(run)
    if run.statements:
        yield "Database statements", _statements(run)
    yield "Particulars", _particulars(run)


def of_children(run: Run) -> Html | None:
    """Returns a line for each child."""
    if not run.children:
        return None
    head = ["child", "executions", "utilization", "CPU, s", "memory, peak"]
    return table(
        head,
        [
            (
                str(child.child),
                f"{child.executions:,}",
                share(child.utilization),
                short(child.cpu_s),
                size(child.memory_bytes_max),
            )
            for child in run.children
        ],
        caption="Children",
    )


def _latencies(run: Run) -> Html:
    since = "enqueued" if run.backlogged else "intended"
    rows = {f"{since} to started": run.start_ms, f"{since} to completed": run.complete_ms}
    return table(
        ["", *("p99.9" if name == "p999" else name for name in LATENCIES), "jobs"],
        [
            (element("b", words), *(short(getattr(it, name)) for name in LATENCIES), f"{it.count:,}")
            for words, it in rows.items()
            if it
        ],
        caption="Latency in milliseconds",
    )


def _statements(run: Run) -> Html:
    by_server = any(each.server_calls is not None for each in run.statements)
    head = ["statement", "sent by", "calls", *(["by the server's count"] if by_server else [])]
    head += ["rows", "rows/call", "per job", "per second", "mean ms"]
    rows = [_statement(each, by_server) for each in sorted(run.statements, key=lambda each: -each.calls)]
    total = run.statements_per_job
    per_second = sum(each.per_s for each in run.statements)
    calls = f"{sum(each.calls for each in run.statements):,}"
    rows.append(
        [element("b", "all"), "", calls, *([""] if by_server else []), "", "", short(total), short(per_second), ""]
    )
    return table(head, rows, caption="Database statements")


def _statement(use: StatementUse, by_server: bool) -> list[str | Html]:
    server = NONE if use.server_calls is None else f"{use.server_calls:,}"
    return [
        element("code", use.name),
        use.who,
        f"{use.calls:,}",
        *([server] if by_server else []),
        f"{use.rows:,}",
        short(use.rows / use.calls) if use.calls else NONE,
        short(use.per_job),
        short(use.per_s),
        short(use.mean_ms),
    ]


def _particulars(run: Run) -> Html:
    spread = run.throughput_spread
    transactions = run.server_transactions
    facts = {
        "throughput": per_s(run.throughput_per_s) if run.completed else None,
        "over the run, p5 · p50 · p95": spread and f"{short(spread.p5)} · {short(spread.p50)} · {per_s(spread.p95)}",
        "SQL floor": run.floor
        and f"{per_s(run.floor.per_s)} (before {short(run.floor.before_per_s)}, after {short(run.floor.after_per_s)})",
        "measured": f"{short(run.seconds)} s"
        + (f", after a warm-up of {run.warmup_jobs:,} jobs" if run.warmup_jobs else ""),
        "jobs": f"{run.enqueued:,} enqueued"
        + (f" of {run.jobs:,} meant" if run.jobs not in (None, run.enqueued) else ""),
        "ended": f"{run.completed:,} completed, {run.failed:,} failed",
        "lost, doubled": f"{run.lost:,} lost, {run.doubled:,} doubled",
        "retries": f"{run.retries:,}",
        "connection errors": f"{run.connection_errors:,}",
        "enqueue": f"{run.enqueue}, {run.enqueuers:,} at once"
        + (f", {per_s(run.enqueue_per_s)}" if run.enqueue_per_s is not None else ""),
        "asked for": run.rate_per_s and f"{per_s(run.rate_per_s)}, {run.arrivals or 'even'}",
        "queues": ", ".join(f"{name} {share(part)}" for name, part in run.queues.items()),
        "payload": size(run.payload_bytes),
        "seed": str(run.seed),
        "utilization": run.utilization is not None and share(run.utilization),
        "write-ahead log": run.wal_bytes_per_job is not None and f"{size(run.wal_bytes_per_job)} per job",
        "transactions by the server's count": transactions is not None and f"{transactions:,}",
    }
    extra = {name.replace("_", " "): short(value) for name, value in run.extra.items()}
    return definitions({name: text for name, text in {**facts, **extra}.items() if text})


def definitions(facts: dict[str, str], class_: str = "facts") -> Html:
    """Returns names and what they are."""
    pairs = (element("div", element("dt", name), element("dd", text)) for name, text in facts.items())
    return element("dl", *pairs, class_=class_)
