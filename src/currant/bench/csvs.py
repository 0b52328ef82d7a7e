"""A document as a table for spreadsheets: a line for each run. What was not measured is empty."""

import csv
import io
from typing import TypeAlias

from currant.bench.results import Document, Percentiles, Run

Cell: TypeAlias = str | int | float | None

_RUN = (
    *("label", "workers", "concurrency", "job", "payload_bytes", "rate_per_s", "arrivals", "enqueue", "enqueuers"),
    *("seed", "jobs", "enqueued", "completed", "failed", "retries", "lost", "doubled", "warmup_jobs"),
    *("seconds", "throughput_per_s", "enqueue_per_s", "backlogged", "utilization", "connection_errors"),
    *("statements_per_job", "server_transactions", "wal_bytes_per_job"),
)
_LATENCY = ("count", "p50", "p90", "p95", "p99", "p999", "max", "mean")


def rows(document: Document) -> str:
    """Returns the lines, the first of which names the columns; which are always the same, and in the same order."""
    lines = [_line(document, section.mode, run) for section in document.sections for run in section.runs]
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return out.getvalue()


def _line(document: Document, mode: str, run: Run) -> dict[str, Cell]:
    environment = document.environment
    spread, floor, cpu, memory = run.throughput_spread, run.floor, run.cpu_s_per_1000, run.memory
    return {
        "started": document.started,
        "command": " ".join(document.command),
        "mode": mode,
        **{name: getattr(run, name) for name in _RUN},
        "queues": _pairs(run.queues),
        "throughput_p5_per_s": spread and spread.p5,
        "throughput_p50_per_s": spread and spread.p50,
        "throughput_p95_per_s": spread and spread.p95,
        "floor_per_s": floor and floor.per_s,
        "floor_before_per_s": floor and floor.before_per_s,
        "floor_after_per_s": floor and floor.after_per_s,
        **_latency("start", run.start_ms),
        **_latency("complete", run.complete_ms),
        "statements_per_job_by_name": _pairs({f"{use.who}:{use.name}": use.per_job for use in run.statements}),
        "cpu_s_per_1000_supervisor": cpu and cpu.supervisor,
        "cpu_s_per_1000_children": cpu and cpu.children,
        "cpu_s_per_1000_postgres": cpu and cpu.postgres,
        "cpu_s_per_1000_bench": cpu and cpu.bench,
        "memory_bytes_supervisor": memory and memory.supervisor,
        "memory_bytes_children": memory and memory.children,
        "memory_bytes_fork_server": memory and memory.fork_server,
        "checks": len(run.checks),
        "checks_failed": sum(not check.ok for check in run.checks),
        "extra": _pairs(run.extra),
        "currant": environment.currant,
        "commit": environment.commit,
        "python": environment.python,
        "postgres": environment.postgres,
        "postgres_where": environment.postgres_where,
        "cpu": environment.cpu,
        "cores": environment.cores,
    }


def _latency(name: str, latency: Percentiles | None) -> dict[str, Cell]:
    return {
        f"{name}_count" if each == "count" else f"{name}_{each}_ms": None if latency is None else getattr(latency, each)
        for each in _LATENCY
    }


def _pairs(numbers: dict[str, float]) -> str:
    """Returns what has no fixed names in one cell."""
    return " ".join(f"{name}={number:.6g}" for name, number in numbers.items())


def _columns() -> list[str]:
    latencies = [*_latency("start", None), *_latency("complete", None)]
    return [
        *("started", "command", "mode", *_RUN, "queues"),
        *("throughput_p5_per_s", "throughput_p50_per_s", "throughput_p95_per_s"),
        *("floor_per_s", "floor_before_per_s", "floor_after_per_s"),
        *latencies,
        "statements_per_job_by_name",
        *(f"cpu_s_per_1000_{who}" for who in ("supervisor", "children", "postgres", "bench")),
        *(f"memory_bytes_{who}" for who in ("supervisor", "children", "fork_server")),
        *("checks", "checks_failed", "extra", "currant", "commit", "python", "postgres", "postgres_where", "cpu"),
        "cores",
    ]


COLUMNS = _columns()
