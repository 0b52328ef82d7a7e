"""The modes of the bench that go beyond one run, each as small as it can be. No speed is asserted."""

import asyncio
import io
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from rich.console import Console

from currant.bench import results
from currant.bench.machine import environment
from currant.bench.measure import Bench
from currant.bench.modes import phases, sweep
from currant.bench.plan import Plan
from currant.bench.results import Section
from currant.store.connections import connect
from tests.process.test_bench import bench, schemas, users_url

__all__ = ["users_url"]


def section_of(file: Path) -> Section:
    (section,) = results.decode(file.read_bytes()).sections
    assert all(len(row) == len(section.head) for row in section.rows)
    return section


def test_ramp_claims_from_each_backlog_and_leaves_none_of_them_behind(tmp_path: Path, users_url: str) -> None:
    file = tmp_path / "figures.json"
    done = bench("--mode", "ramp", "--backlogs", "500,1000", "--duration", "1s", "--json", str(file), url=users_url)
    assert done.returncode == 0, done.stdout + done.stderr
    section = section_of(file)
    assert section.figures["claim_cost_ratio"] > 0
    assert [row[0] for row in section.rows] == ["500", "1,000"]
    assert schemas(users_url) == []


def test_scale_drains_with_each_count_of_workers(tmp_path: Path, users_url: str) -> None:
    file = tmp_path / "figures.json"
    options = ("--scale-workers", "1,2", "--concurrency", "4", "--job-type", "sleep", "--sleep-ms", "10")
    done = bench("--mode", "scale", *options, "--duration", "1s", "--json", str(file), url=users_url)
    assert done.returncode == 0, done.stdout + done.stderr
    section = section_of(file)
    assert section.figures.keys() >= {"speed_up", "efficiency"}
    assert [run.workers for run in section.runs] == [1, 2]
    assert all(run.completed > 0 for run in section.runs)


def test_idle_counts_statements_connections_and_wakeups(tmp_path: Path, users_url: str) -> None:
    file = tmp_path / "figures.json"
    done = bench("--mode", "idle", "--workers", "2", "--idle-for", "2s", "--json", str(file), url=users_url)
    assert done.returncode == 0, done.stdout + done.stderr
    section = section_of(file)
    assert section.figures["idle_statements_per_s"] >= 0
    (run,) = section.runs
    assert run.workers == 2
    assert run.completed == 0
    assert run.extra["connections"] >= 1
    assert run.extra["supervisor_wakeups_per_s"] >= 0


def measured(url: str, run: Callable[[Bench, Plan], Awaitable[Section]], plan: Plan) -> Section:
    """Runs a mode here, which as a command would take its full course."""

    async def measure() -> Section:
        connection = await connect(url, "currant:bench")
        try:
            where = await environment(connection, "throwaway")
            return await run(Bench(url, connection, Console(file=io.StringIO()), where), plan)
        finally:
            await connection.close()

    return asyncio.run(measure())


def test_sweep_tries_rates_one_after_the_other(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "RATE_PER_S_MAX", 40.0)
    section = measured(url, sweep.run, Plan(workers=1, rate_per_s=20.0, duration_s=1.0, p99_limit_ms=60_000.0))
    assert section.runs[0].rate_per_s == 20.0
    assert len(section.rows) == len(section.runs) > 1
    # On a machine that stalls no rate may have been held: that is an answer, and no failed check.
    assert not section.failed


def test_phases_switch_the_ideas_off(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phases, "STEPS", {"all of these off": phases.STEPS["all of these off"]})
    section = measured(url, phases.run, Plan(workers=1, jobs=20, idle_s=1.0))
    drain, paced, idle = section.runs
    assert drain.completed == paced.completed == 20
    named = {each.name: each for each in drain.statements}
    claims = [each for name, each in named.items() if name.startswith("claim")]
    assert sum(each.rows for each in claims) <= sum(each.calls for each in claims)
    # Nothing else would ask ten times a second.
    assert sum(each.per_s for each in idle.statements) > 1
    assert not section.failed
