"""Documents of the bench, made up, for tests of what shows them."""

from dataclasses import dataclass, field
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

ENVIRONMENT = Environment(
    currant="1.2.3",
    commit="0123456789abcdef",
    python="3.11.2",
    packages={"psycopg": "3.2.9"},
    os="Linux 6.1",
    cpu="A CPU",
    cores=2,
    memory_bytes=8_000_000_000,
    load=0.25,
    postgres="16.2",
    postgres_where="throwaway",
    postgres_settings={"fsync": "on"},
)
HELD = Check("exactly once", True, "1,000 completed, none lost, none doubled")
BROKEN = Check("exactly once", False, "of 1,000 executions 3 were lost")


def run(label: str, *, workers: int = 4, parts: int = 20, **given: Any) -> Run:
    """Returns a run with everything measured, but for what is given."""
    latency = Percentiles(count=1000, p50=1.5, p90=2.5, p95=3.0, p99=5.0, p999=9.0, max=12.0, mean=1.7)
    facts: dict[str, Any] = {
        "workers": workers,
        "concurrency": 64,
        "job": "noop",
        "queues": {"bench": 1.0},
        "payload_bytes": 0,
        "jobs": 1000,
        "enqueued": 1000,
        "completed": 1000,
        "failed": 0,
        "retries": 0,
        "lost": 0,
        "doubled": 0,
        "warmup_jobs": 100,
        "seconds": parts * 0.25,
        "throughput_per_s": 4000.0,
        "throughput_spread": Spread(p5=3500.0, p50=4000.0, p95=4300.0, parts=parts, part_s=0.25),
        "start_ms": latency,
        "complete_ms": latency,
        "histogram": [Bucket(1.0, 100), Bucket(2.0, 700), Bucket(4.0, 180), Bucket(8.0, 18), Bucket(16.0, 2)],
        "children": [ChildUse(child, 250, 0.9, 0.5, 30_000_000) for child in range(workers)],
        "utilization": 0.9,
        "statements": [
            StatementUse("claim", "currantd", 10, 1000, 3.5, 2.0, 0.01, 10),
            StatementUse("enqueue_many", "bench", 2, 1000, 8.0, 0.4, 0.002),
        ],
        "server_transactions": 40,
        "wal_bytes_per_job": 800.0,
        "cpu_s_per_1000": Cpu(supervisor=0.06, children=0.1, postgres=None, bench=0.01),
        "memory": Memory(supervisor=60_000_000, children=120_000_000, fork_server=25_000_000),
        "series": Series(
            at_s=[(part + 1) * 0.25 for part in range(parts)],
            completed_per_s=[4000.0 - part for part in range(parts)],
            in_flight=[200.0] * parts,
            statements_per_s=[40.0] * parts,
            p50_ms=[None, *[1.5] * (parts - 1)],
            p99_ms=[None, *[5.0] * (parts - 1)],
            utilization={child: [0.9] * parts for child in range(workers)},
        ),
        "floor": Floor(per_s=3900.0, before_per_s=3800.0, after_per_s=None),
        "checks": [HELD],
    }
    return Run(label=label, **facts | given)


@dataclass(kw_only=True)
class Sample:
    """A document with a section of each mode; whoever needs other runs gives them."""

    runs: list[Run] = field(default_factory=lambda: [run("drain", backlogged=True)])
    command: list[str] = field(default_factory=lambda: ["--workers", "4"])
    repeats: list[dict[str, float]] = field(default_factory=list)

    def document(self) -> Document:
        figures = {"throughput_per_s": 4000.0, "floor_per_s": 3900.0, "ratio_to_floor": 1.026, "utilization": 0.9}
        sections = [
            _section("capacity", self.runs, figures, repeats=self.repeats),
            _section("steady", [run("1,000/s", rate_per_s=1000.0)], {"complete_p50_ms": 1.5, "complete_p99_ms": 5.0}),
            _section(
                "sweep",
                [run(f"{rate}/s", rate_per_s=rate, extra={"p99_limit_ms": 10.0}) for rate in (500.0, 1000.0)],
                {"knee_per_s": 1000.0},
            ),
            _section("scale", [run(f"{count} workers", workers=count) for count in (1, 2, 8)], {"speed_up": 7.5}),
            _section(
                "ramp",
                [],
                {"claim_cost_ratio": 1.05},
                head=["pending", "claim of 500: ms", "pages"],
                rows=[["1,000", "3.90", "1,200"], ["1,000,000", "4.10", "1,210"]],
            ),
            _section("phases", [run(name, backlogged=True) for name in ("all", "no prefetch")], {}),
        ]
        return Document(
            started="2026-01-02T03:04:05Z", command=self.command, environment=ENVIRONMENT, sections=sections
        )


def _section(mode: str, runs: list[Run], figures: dict[str, float], **given: Any) -> Section:
    return Section(mode=mode, question="How?", answer="So.", runs=runs, figures=figures, **given)
