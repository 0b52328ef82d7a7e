"""Documents of the bench with figures that no one measured, for tests of what shows and compares them."""

import math
from typing import Any

from currant.bench.results import (
    Bucket,
    Check,
    ChildUse,
    Cpu,
    Document,
    Environment,
    Floor,
    Memory,
    Percentiles,
    Run,
    Section,
    Series,
    Spread,
    StatementUse,
)


def environment(**changed: Any) -> Environment:
    given: dict[str, Any] = {
        "currant": "0.3.0",
        "commit": "0123456789abcdef0123456789abcdef01234567",
        "python": "CPython 3.11.9",
        "packages": {"psycopg": "3.2.3", "uvloop": "0.21.0"},
        "os": "Debian GNU/Linux 12 (bookworm), Linux 6.8.0, x86_64",
        "cpu": "AMD EPYC 7B13",
        "cores": 2,
        "memory_bytes": 8 << 30,
        "load": 0.31,
        "postgres": "16.4",
        "postgres_where": "throwaway",
        "postgres_settings": {"fsync": "on", "synchronous_commit": "on", "shared_buffers": "128MB"},
    }
    return Environment(**given | changed)


def percentiles(p50: float = 1.52, count: int = 9_000) -> Percentiles:
    return Percentiles(
        count=count, p50=p50, p90=p50 * 1.4, p95=p50 * 1.6, p99=p50 * 2.7, p999=p50 * 5.4, max=p50 * 8, mean=p50 * 1.1
    )


def histogram(p50: float = 1.52, count: int = 9_000) -> list[Bucket]:
    """Returns a bell on a logarithmic scale about the median, in buckets like the bench's."""
    bounds = [float(f"{step}e{exponent}") for exponent in range(-1, 2) for step in (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)]
    weights = [math.exp(-((math.log(bound / p50) / 0.5) ** 2)) for bound in bounds]
    counts = [round(count * weight / sum(weights)) for weight in weights]
    return [Bucket(bound, each) for bound, each in zip(bounds, counts, strict=True)]


def series(parts: int = 10, children: int = 4, per_s: float = 1_000.0) -> Series:
    return Series(
        at_s=[float(part + 1) for part in range(parts)],
        completed_per_s=[per_s * (1 + 0.05 * math.sin(part)) for part in range(parts)],
        in_flight=[16.0 + part % 3 for part in range(parts)],
        statements_per_s=[120.0 + part for part in range(parts)],
        p50_ms=[None if part == 0 else 1.5 for part in range(parts)],
        p99_ms=[None if part == 0 else 4.1 + part / 10 for part in range(parts)],
        utilization={child: [0.5 + 0.05 * child] * parts for child in range(children)},
    )


def run(label: str = "steady", **changed: Any) -> Run:
    """Returns a run at 1,000 jobs a second of which all is known."""
    given: dict[str, Any] = {
        "label": label,
        "workers": 4,
        "concurrency": 64,
        "job": "noop",
        "queues": {"bench": 1.0},
        "payload_bytes": 0,
        "rate_per_s": 1_000.0,
        "arrivals": "even",
        "enqueue": "single",
        "enqueuers": 8,
        "jobs": 10_000,
        "enqueued": 10_000,
        "completed": 10_000,
        "failed": 0,
        "retries": 0,
        "lost": 0,
        "doubled": 0,
        "warmup_jobs": 1_000,
        "seconds": 9.0,
        "throughput_per_s": 1_000.4,
        "throughput_spread": Spread(p5=988.0, p50=1_000.0, p95=1_012.0, parts=9, part_s=1.0),
        "enqueue_per_s": 1_000.1,
        "start_ms": percentiles(1.02),
        "complete_ms": percentiles(),
        "histogram": histogram(),
        "children": [
            ChildUse(
                child=child, executions=2_250, utilization=0.11 + 0.01 * child, cpu_s=0.4, memory_bytes_max=40 << 20
            )
            for child in range(4)
        ],
        "utilization": 0.125,
        "statements": [
            statement("enqueue", who="bench", calls=9_000, rows=9_000, mean_ms=0.41),
            statement("claim", calls=2_100, rows=9_000, mean_ms=0.62, server_calls=2_100),
            statement("complete", calls=1_900, rows=9_000, mean_ms=0.55, server_calls=1_900),
            statement("heartbeat", calls=9, rows=9, mean_ms=0.2, server_calls=9),
        ],
        "server_transactions": 13_050,
        "wal_bytes_per_job": 812.4,
        "cpu_s_per_1000": Cpu(supervisor=0.121, children=0.305, postgres=0.214, bench=0.402),
        "memory": Memory(supervisor=61 << 20, children=160 << 20, fork_server=38 << 20),
        "series": series(),
        "checks": [
            Check(name="every execution once", ok=True, text="of 10,000 executions 0 were lost and 0 doubled"),
            Check(name="rate held", ok=True, text="1,000 enqueues a second were asked for, and 1,000.1 were made"),
        ],
    }
    return Run(**given | changed)


def statement(name: str, *, who: str = "currantd", calls: int, rows: int, mean_ms: float, **more: Any) -> StatementUse:
    return StatementUse(
        name=name, who=who, calls=calls, rows=rows, mean_ms=mean_ms, per_s=calls / 9, per_job=calls / 9_000, **more
    )


def drain(label: str = "drain", **changed: Any) -> Run:
    """Returns a run over a prefilled backlog, with its floor."""
    given: dict[str, Any] = {
        "rate_per_s": None,
        "arrivals": None,
        "enqueue": "many",
        "enqueuers": 1,
        "enqueue_per_s": None,
        "throughput_per_s": 41_230.0,
        "throughput_spread": Spread(p5=38_100.0, p50=41_300.0, p95=44_010.0, parts=12, part_s=0.25),
        "start_ms": None,
        "backlogged": True,
        "floor": Floor(per_s=39_600.0, before_per_s=39_100.0, after_per_s=40_100.0),
        "checks": [Check(name="every execution once", ok=True, text="of 10,000 executions 0 were lost and 0 doubled")],
    }
    return run(label, **given | changed)


def capacity(**changed: Any) -> Section:
    saturated = drain(label="saturated", throughput_per_s=21_300.0, enqueue_per_s=22_050.0, floor=None)
    given: dict[str, Any] = {
        "mode": "capacity",
        "question": "How many jobs a second are worked off at the most?",
        "answer": "41,230 jobs/s from a backlog, 1.04 × the SQL floor; 21,300 jobs/s enqueued and run at once.",
        "runs": [drain(), saturated],
        "figures": {
            "throughput_per_s": 41_230.0,
            "floor_per_s": 39_600.0,
            "ratio_to_floor": 1.041,
            "end_to_end_per_s": 21_300.0,
            "end_to_end_ratio": 0.538,
        },
    }
    return Section(**given | changed)


def steady(**changed: Any) -> Section:
    given: dict[str, Any] = {
        "mode": "steady",
        "question": "How long does a job take at a given rate?",
        "answer": "At 1,000 jobs/s half of the jobs completed within 1.5 ms, and 99 % within 4.1 ms.",
        "runs": [run()],
        "figures": {"start_p50_ms": 1.02, "start_p99_ms": 2.75, "complete_p50_ms": 1.52, "complete_p99_ms": 4.1},
    }
    return Section(**given | changed)


def sweep() -> Section:
    """Returns a section with a table of its own, and more runs than one would print."""
    rates = [500.0 * 2**step for step in range(6)]
    return Section(
        mode="sweep",
        question="Up to which rate does p99 stay within 10 ms?",
        answer="Up to 8,000 jobs/s; at 16,000 p99 was 41 ms.",
        runs=[run(f"{rate:,.0f}/s", rate_per_s=rate, throughput_per_s=rate) for rate in rates],
        figures={"knee_per_s": 8_000.0},
        head=["rate", "reached", "p50 ms", "p99 ms", "held"],
        rows=[[f"{rate:,.0f}/s", f"{rate:,.0f}/s", "1.5", "4.1", "yes"] for rate in rates],
    )


def document(*sections: Section, **changed: Any) -> Document:
    """Returns a document of these sections, or of capacity and steady."""
    given: dict[str, Any] = {
        "started": "2026-11-28T08:30:00Z",
        "command": ["--workers", "4", "--jobs", "10000"],
        "environment": environment(),
        "sections": list(sections) or [capacity(), steady()],
    }
    return Document(**given | changed)


def repeated(section: Section, name: str, values: list[float]) -> Section:
    """Returns the section with so many repeats that differ in this figure; it has their median."""
    ordered = sorted(values)
    middle = (ordered[(len(values) - 1) // 2] + ordered[len(values) // 2]) / 2
    return Section(
        mode=section.mode,
        question=section.question,
        answer=section.answer,
        runs=section.runs,
        figures=section.figures | {name: middle},
        repeats=[section.figures | {name: value} for value in values],
        head=section.head,
        rows=section.rows,
    )
