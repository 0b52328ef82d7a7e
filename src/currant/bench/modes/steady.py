"""The latency at a rate that was asked for, and whether that rate was held."""

from dataclasses import replace

from currant.bench.measure import Bench, paced
from currant.bench.plan import RATE_PER_S, Plan
from currant.bench.results import Run, Section

QUESTION = "How long is it from the moment when a job was to be enqueued until it starts, and until it is completed?"


async def run(bench: Bench, plan: Plan) -> Section:
    """Enqueues at the rate asked for, else at one that leaves no backlog.

    Raises:
        BenchFailed: currantd or the enqueuers ended, or nothing moved.
    """
    rate_per_s = plan.rate_per_s or RATE_PER_S
    return section(await paced(bench, replace(plan, rate_per_s=rate_per_s), f"{rate_per_s:,g} jobs/s"))


def section(run: Run) -> Section:
    figures: dict[str, float] = {}
    for name, found in (("start", run.start_ms), ("complete", run.complete_ms)):
        if found is not None:
            figures |= {f"{name}_p50_ms": found.p50, f"{name}_p99_ms": found.p99}
    texts = [
        f"{what} within {found.p50:,.1f} ms (p50) and {found.p99:,.1f} ms (p99)"
        for what, found in (("started", run.start_ms), ("completed", run.complete_ms))
        if found is not None
    ]
    return Section(
        mode="steady",
        question=QUESTION,
        answer=f"At {run.rate_per_s:,g} jobs a second: {', '.join(texts)}.",
        runs=[run],
        figures=figures,
    )
