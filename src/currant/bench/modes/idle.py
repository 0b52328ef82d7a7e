"""The idle node: what many workers without work cost the database and the machine."""

from dataclasses import replace

from currant.bench.measure import Bench, idle
from currant.bench.plan import Plan
from currant.bench.results import Run, Section

QUESTION = "What does a node without work cost?"


async def run(bench: Bench, plan: Plan) -> Section:
    """Has currantd run without work, and counts.

    Raises:
        BenchFailed: currantd ended.
    """
    return section(await idle(bench, replace(plan, workers=plan.idle_workers), f"{plan.idle_workers} workers idle"))


def section(run: Run) -> Section:
    per_s = sum(each.per_s for each in run.statements)
    rows = [[each.name, f"{each.calls:,}", f"{each.per_s:.3f}"] for each in run.statements]
    return Section(
        mode="idle",
        question=QUESTION,
        answer=f"{run.workers} idle workers: {per_s:.2f} statements a second.",
        runs=[run],
        figures={"idle_statements_per_s": round(per_s, 3)},
        head=["statement", "calls", "a second"],
        rows=rows,
    )
