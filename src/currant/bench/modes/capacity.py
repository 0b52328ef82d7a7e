"""How much is worked off at the most: a prefilled backlog, and bulk enqueues at the same time."""

from currant.bench.measure import Bench, drain, saturated
from currant.bench.plan import Plan
from currant.bench.results import Run, Section

QUESTION = "How many jobs a second are worked off at the most, and how near is that to what the database can do?"


async def run(bench: Bench, plan: Plan) -> Section:
    """Drains a backlog beside the SQL floor, then enqueues and runs at once.

    Raises:
        BenchFailed: currantd or the enqueuers ended, or nothing moved.
    """
    return section(await drain(bench, plan, "drain", floor=True), await saturated(bench, plan, "end to end"))


def section(drained: Run, both: Run) -> Section:
    """Returns what a drain with the floor, and the bulk enqueues of the same minutes, say together."""
    assert drained.floor is not None
    floor_per_s = drained.floor.per_s
    figures = {
        "throughput_per_s": drained.throughput_per_s,
        "floor_per_s": floor_per_s,
        "ratio_to_floor": _ratio(drained.throughput_per_s, floor_per_s),
        "end_to_end_per_s": both.throughput_per_s,
        "end_to_end_ratio": _ratio(both.throughput_per_s, floor_per_s),
    }
    cpu = drained.cpu_s_per_1000
    costs = {
        "statements_per_job": drained.statements_per_job,
        "wal_bytes_per_job": drained.wal_bytes_per_job,
        "cpu_ms_per_1000": None if cpu is None else 1000 * (cpu.supervisor + cpu.children + (cpu.postgres or 0.0)),
    }
    end_to_end = f"{both.throughput_per_s:,.0f} jobs/s enqueued and run at once, {figures['end_to_end_ratio']:.2f} × it"
    return Section(
        mode="capacity",
        question=QUESTION,
        answer=f"{drained.throughput_per_s:,.0f} jobs/s from a backlog, {figures['ratio_to_floor']:.2f} × the SQL"
        f" floor; {end_to_end}.",
        runs=[drained, both],
        figures=figures | {name: value for name, value in costs.items() if value is not None},
    )


def _ratio(per_s: float, floor_per_s: float) -> float:
    return per_s / floor_per_s if floor_per_s else 0.0
