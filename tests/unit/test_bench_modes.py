"""What the modes of the bench make of their runs."""

import pytest

from currant.bench.checks import RATE_HELD
from currant.bench.jobs import JobSpec
from currant.bench.modes import idle, phases, ramp, scale, sweep
from currant.bench.modes.knee import Search
from currant.bench.modes.ramp import Taken
from currant.bench.plan import Plan
from currant.bench.results import Check, Percentiles, Section, StatementUse
from tests.unit.bench_documents import run


def latency(p99: float) -> Percentiles:
    return Percentiles(count=100, p50=1.0, p90=2.0, p95=3.0, p99=p99, p999=p99, max=p99, mean=1.0)


def held(ok: bool) -> Check:
    return Check(name=RATE_HELD, ok=ok, text="the rate")


ONCE = Check(name="every execution once", ok=False, text="one was lost")


@pytest.mark.parametrize(
    ("ok", "p99", "broken"),
    [(True, 9.0, ""), (True, 10.1, "p99 above 10 ms"), (False, 9.0, "rate not held"), (False, 99.0, "rate not held")],
)
def test_a_rate_that_was_not_held_is_no_failure_of_a_sweep_and_a_lost_execution_is(
    ok: bool, p99: float, broken: str
) -> None:
    step = sweep.judge(500.0, run(checks=[held(ok), ONCE], complete_ms=latency(p99)), limit_ms=10.0)
    assert step.broken == broken
    assert step.run.checks == [ONCE]


def swept(upto_per_s: float, highest_per_s: float = 1e6) -> Section:
    """A sweep over a pipeline whose p99 is good up to that rate."""
    search, steps = Search(500.0, highest_per_s), []
    while (rate_per_s := search.next_per_s) is not None:
        tried = run(checks=[held(True)], complete_ms=latency(5.0 if rate_per_s <= upto_per_s else 50.0))
        steps.append(sweep.judge(rate_per_s, tried, limit_ms=10.0))
        search.note(kept=not steps[-1].broken)
    return sweep.section(search, steps, 10.0)


def test_a_sweep_names_the_knee_and_what_broke_above_it() -> None:
    section = swept(3_000.0)
    assert 2_700 < section.figures["knee_per_s"] <= 3_000
    assert "p99 above 10 ms" in section.answer
    assert len(section.rows) == len(section.runs) > 5
    assert all(len(row) == len(section.head) for row in section.rows)


def test_a_sweep_without_a_knee_says_so() -> None:
    nothing = swept(0.0)
    assert nothing.figures == {}
    assert nothing.answer.startswith("No rate kept")
    everything = swept(1e6, highest_per_s=600.0)
    assert everything.figures == {"knee_per_s": 600.0}
    assert everything.answer.startswith("All rates")


def test_scale_sets_each_count_beside_the_fewest_workers_for_each_worker() -> None:
    section = scale.section(
        [run(workers=2, throughput_per_s=200.0), run(workers=8, throughput_per_s=600.0, utilization=0.9)]
    )
    assert section.figures == {"speed_up": 3.0, "efficiency": 0.75, "utilization": 0.9}
    assert [row[0] for row in section.rows] == ["2", "8"]


def test_scale_gives_each_count_work_for_the_same_time_and_no_more_than_a_machine_can_do() -> None:
    plan = Plan(workers=1, job=JobSpec(kind="sleep", sleep_ms=50), scale_workers=(1, 32))
    few, many = (scale.sized(plan, count) for count in plan.scale_workers)
    assert few.concurrency == many.concurrency
    assert many.workers * many.concurrency / 0.05 <= scale.JOBS_PER_S_MAX
    assert few.jobs is not None
    assert many.jobs == 32 * few.jobs


def test_idle_tells_what_a_node_without_work_costs() -> None:
    tick = StatementUse(name="tick", who="currantd", calls=6, rows=6, mean_ms=1.0, per_s=0.2, per_job=0.0)
    section = idle.section(
        run(
            workers=100, statements=[tick], server_transactions=9, seconds=30.0,
            extra={"connections": 2.0, "children_wakeups_per_s": 25.04},
        )
    )  # fmt: skip
    assert section.figures == {"idle_statements_per_s": 0.2}
    assert section.rows == [
        ["tick", "6", "0.200"],
        ["all statements", "6", "0.200"],
        ["the server's count, the bench's looks included", "9", "0.300"],
        ["connections", "2", ""],
        ["wake-ups of all children", "", "25.04"],
    ]


def test_ramp_compares_within_rounds() -> None:
    # What others did in the second round met both.
    small = [Taken(1.0, 10), Taken(50.0, 10), Taken(1.0, 10)]
    large = [Taken(1.1, 10), Taken(55.0, 10), Taken(1.1, 10)]
    assert ramp.cost_ratio(small, large) == pytest.approx(1.1)


def test_phases_set_each_step_beside_all_ideas() -> None:
    tick = StatementUse(name="tick", who="currantd", calls=3, rows=3, mean_ms=1.0, per_s=0.2, per_job=0.0)

    def step(text: str, per_s: float, *, held: bool) -> phases.Step:
        paced, idle = run(complete_ms=latency(4.0)), run(statements=[tick, tick])
        return phases.Step(text, run(throughput_per_s=per_s), paced, held, idle)

    section = phases.section([step("all ideas", 1_000.0, held=True), step("all of these off", 100.0, held=False)])
    assert section.figures["ideas_worth"] == 10.0
    assert section.figures["idle_statements_per_s"] == 0.4
    assert section.rows[1] == ["all of these off", "100", "0.10", "1.0", "4.0 (rate not held)", "0.40"]
    assert len(section.runs) == 6
