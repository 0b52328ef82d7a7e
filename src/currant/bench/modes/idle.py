"""The idle node: what many workers without work cost the database and the machine."""

from dataclasses import replace

from currant.bench.measure import Bench, idle
from currant.bench.plan import Plan
from currant.bench.results import Run, Section
from currant.bench.window import NODE

QUESTION = "What does a node without work cost?"
#: What a run keeps of the machine's side of it, and how people call that.
_OF_THE_MACHINE = {
    "supervisor_wakeups_per_s": "wake-ups of the supervisor",
    "children_wakeups_per_s": "wake-ups of all children",
    "supervisor_cpu_ms_per_s": "CPU of the supervisor, ms",
    "children_cpu_ms_per_s": "CPU of all children, ms",
}


async def run(bench: Bench, plan: Plan) -> Section:
    """Has currantd run without work, and counts.

    Raises:
        BenchFailed: currantd ended.
    """
    return section(await idle(bench, replace(plan, workers=plan.idle_workers), f"{plan.idle_workers} workers idle"))


def statements_per_s(run: Run) -> float:
    """Returns how many statements the node sent; the bench's own looks are not its."""
    return sum(each.per_s for each in run.statements if each.who == NODE)


def section(run: Run) -> Section:
    """Returns what the run tells."""
    statements = [each for each in run.statements if each.who == NODE]
    rows = [[each.name, f"{each.calls:,}", f"{each.per_s:.3f}"] for each in statements]
    rows.append(["all statements", f"{sum(each.calls for each in statements):,}", f"{statements_per_s(run):.3f}"])
    if run.server_transactions is not None and run.seconds:
        told = run.server_transactions
        rows.append(["the server's count, the bench's looks included", f"{told:,}", f"{told / run.seconds:.3f}"])
    if (connections := run.extra.get("connections")) is not None:
        rows.append(["connections", f"{connections:.0f}", ""])
    rows += [[text, "", f"{run.extra[name]:.2f}"] for name, text in _OF_THE_MACHINE.items() if name in run.extra]
    return Section(
        mode="idle",
        question=QUESTION,
        answer=f"With {run.workers} idle children it sends {statements_per_s(run):.2f} statements a second.",
        runs=[run],
        figures={"idle_statements_per_s": round(statements_per_s(run), 3)},
        head=["while idle", "in all", "a second"],
        rows=rows,
    )
