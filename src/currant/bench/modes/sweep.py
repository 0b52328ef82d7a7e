"""The sweep: the rate is raised until p99 breaks the limit. Each step is a paced run of its own."""

from dataclasses import replace
from typing import NamedTuple

from currant.bench.checks import take_rate_held
from currant.bench.measure import Bench, paced
from currant.bench.modes.knee import Search
from currant.bench.plan import RATE_PER_S_MAX, Plan
from currant.bench.results import Run, Section

#: Where it begins, and how long a step lasts, unless --rate and --duration say otherwise.
FIRST_PER_S = 500.0
STEP_S = 5.0

QUESTION = "How many jobs a second can be enqueued one by one before the latency breaks the limit?"


class Step(NamedTuple):
    """A rate that was tried. `broken`: in what it failed; empty where it was kept."""

    rate_per_s: float
    run: Run
    broken: str

    @property
    def row(self) -> list[str]:
        latency = self.run.complete_ms
        p50, p99 = (f"{latency.p50:.1f}", f"{latency.p99:.1f}") if latency else ("–", "–")
        return [f"{self.rate_per_s:,.0f}", f"{self.run.throughput_per_s:,.0f}", p50, p99, self.broken or "kept"]


async def run(bench: Bench, plan: Plan) -> Section:
    """Searches. A step whose rate was not held breaks as one whose p99 did: it was not measured at that rate.

    Raises:
        BenchFailed: currantd or the enqueuers ended, or nothing moved.
    """
    search = Search(plan.rate_per_s or FIRST_PER_S, RATE_PER_S_MAX)
    steps: list[Step] = []
    while (rate_per_s := search.next_per_s) is not None:
        at_rate = replace(plan, rate_per_s=rate_per_s, jobs=None, duration_s=plan.duration_s or STEP_S)
        steps.append(judge(rate_per_s, await paced(bench, at_rate, f"{rate_per_s:,.0f}/s"), plan.p99_limit_ms))
        search.note(kept=not steps[-1].broken)
    return section(search, steps, plan.p99_limit_ms)


def judge(rate_per_s: float, run: Run, limit_ms: float) -> Step:
    """Returns what became of a rate. That it was not held is an answer here, and no failed check any more."""
    held = take_rate_held(run)
    run.extra["p99_limit_ms"] = limit_ms
    if not held:
        return Step(rate_per_s, run, "rate not held")
    if run.complete_ms is None or run.complete_ms.p99 > limit_ms:
        return Step(rate_per_s, run, f"p99 above {limit_ms:g} ms")
    return Step(rate_per_s, run, "")


def section(search: Search, steps: list[Step], limit_ms: float) -> Section:
    """Returns what the search came to."""
    kept, broken = search.kept_per_s, search.broken_per_s
    why = next((step.broken for step in reversed(steps) if step.rate_per_s == broken), "")
    if kept is None:
        answer = f"No rate kept a p99 of {limit_ms:g} ms: {broken:,.0f} jobs/s was broken too ({why})."
    elif broken is None:
        answer = f"All rates up to the highest, {kept:,.0f} jobs/s, kept a p99 of {limit_ms:g} ms."
    else:
        answer = f"{kept:,.0f} jobs/s kept a p99 of {limit_ms:g} ms; {broken:,.0f} jobs/s did not ({why})."
    return Section(
        mode="sweep",
        question=QUESTION,
        answer=answer,
        runs=[step.run for step in steps],
        figures={} if kept is None else {"knee_per_s": round(kept, 1)},
        head=["jobs/s asked for", "jobs/s", "p50 ms", "p99 ms", ""],
        rows=[step.row for step in steps],
    )
