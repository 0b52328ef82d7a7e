"""The phases: what each idea of the pipeline is worth, by switching them off one at a time."""

from dataclasses import replace
from typing import NamedTuple

from currant.bench.checks import take_rate_held
from currant.bench.measure import Bench, drain, idle, paced
from currant.bench.modes.idle import statements_per_s
from currant.bench.plan import Plan, Switches
from currant.bench.results import Run, Section

POLL_S = 0.1
#: By what each step is called, and what it switches off.
STEPS = {
    "all ideas": Switches(),
    "polling every 100 ms in place of LISTEN": Switches(poll_s=POLL_S),
    "claims of one (--claim-batch 1)": Switches(claim_batch=1),
    "no prefetch (--no-prefetch)": Switches(prefetch=False),
    "one completion per statement": Switches(complete_batch=1),
    "all of these off": Switches(claim_batch=1, complete_batch=1, prefetch=False, poll_s=POLL_S),
}
#: A drain without some of the ideas is slow: it ends after so long, whatever is left.
DRAIN_S = 10.0
#: Little enough that all steps hold it.
RATE_PER_S, RATE_S = 100.0, 5.0
IDLE_S = 10.0

QUESTION = "What is each idea of the pipeline worth?"


class Step(NamedTuple):
    """What was measured with some of the ideas."""

    text: str
    drain: Run
    paced: Run
    #: Whether the low rate was held; without some of the ideas it may not be.
    held: bool
    idle: Run

    @property
    def idle_per_s(self) -> float:
        return statements_per_s(self.idle)

    def row(self, full: "Step") -> list[str]:
        latency = self.paced.complete_ms
        return [
            self.text,
            f"{self.drain.throughput_per_s:,.0f}",
            f"{self.drain.throughput_per_s / full.drain.throughput_per_s:.2f}",
            f"{latency.p50:.1f}" if latency else "–",
            (f"{latency.p99:.1f}" if latency else "–") + ("" if self.held else " (rate not held)"),
            f"{self.idle_per_s:.2f}",
        ]


async def run(bench: Bench, plan: Plan) -> Section:
    """Measures throughput, latency at a low rate and idle statements of each step.

    Raises:
        BenchFailed: currantd or the enqueuers ended, or nothing moved.
    """
    steps = []
    for text, switches in STEPS.items():
        switched = replace(plan, switches=switches)
        drained = await drain(bench, backlogged(switched), f"{text}: drain")
        at_rate = await paced(bench, slow(switched), f"{text}: paced")
        held = take_rate_held(at_rate)
        rested = await idle(bench, replace(switched, idle_s=min(plan.idle_s, IDLE_S)), f"{text}: idle")
        steps.append(Step(text, drained, at_rate, held, rested))
    return section(steps)


def backlogged(plan: Plan) -> Plan:
    return replace(plan, duration_s=min(plan.duration_s or DRAIN_S, DRAIN_S))


def slow(plan: Plan) -> Plan:
    """Returns the plan at the low rate, of a few seconds."""
    rate_per_s = plan.rate_per_s or RATE_PER_S
    jobs = round(rate_per_s * RATE_S)
    return replace(plan, rate_per_s=rate_per_s, jobs=jobs if plan.jobs is None else min(jobs, plan.jobs))


def section(steps: list[Step]) -> Section:
    """Sets each step beside the first, which has all ideas."""
    full, bare = steps[0], steps[-1]
    worth = full.drain.throughput_per_s / bare.drain.throughput_per_s
    figures = {
        "throughput_per_s": full.drain.throughput_per_s,
        "ideas_worth": round(worth, 2),
        "idle_statements_per_s": round(full.idle_per_s, 3),
    }
    if full.paced.complete_ms is not None:
        figures["complete_p50_ms"] = full.paced.complete_ms.p50
        figures["complete_p99_ms"] = full.paced.complete_ms.p99
    return Section(
        mode="phases",
        question=QUESTION,
        answer=f"With all ideas {full.drain.throughput_per_s:,.0f} jobs/s are drained, without these"
        f" {bare.drain.throughput_per_s:,.0f}: together they are worth {worth:.1f} ×.",
        runs=[each for step in steps for each in (step.drain, step.paced, step.idle)],
        figures=figures,
        head=["", "drain jobs/s", "× all ideas", "p50 ms", "p99 ms", "idle statements/s"],
        rows=[step.row(full) for step in steps],
    )
