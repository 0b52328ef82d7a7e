"""How much is worked off at the most: a prefilled backlog, and bulk enqueues at the same time."""

from currant.bench.measure import Bench, drain
from currant.bench.plan import Plan
from currant.bench.results import Section

QUESTION = "How many jobs a second are worked off at the most, and how near is that to what the database can do?"


async def run(bench: Bench, plan: Plan) -> Section:
    """Drains a backlog beside the SQL floor, then enqueues and runs at once."""
    drained = await drain(bench, plan, "drain", floor=True)
    floor = drained.floor
    assert floor is not None
    ratio = drained.throughput_per_s / floor.per_s if floor.per_s else 0.0
    return Section(
        mode="capacity",
        question=QUESTION,
        answer=f"{drained.throughput_per_s:,.0f} jobs/s from a backlog, {ratio:.2f} × the SQL floor.",
        runs=[drained],
        figures={
            "throughput_per_s": drained.throughput_per_s,
            "floor_per_s": floor.per_s,
            "ratio_to_floor": ratio,
        },
    )
