"""The scale: the same kind of job with more and more workers, each count for about the same time."""

import os
from dataclasses import replace

from currant.bench.jobs import JobSpec
from currant.bench.measure import Bench, drain
from currant.bench.plan import Plan
from currant.bench.results import Run, Section

#: How long a count is measured.
COUNT_S = 8.0
#: What all workers together are given at most, so that the workers are what is short, and not the machine: so many jobs
#: a second are no limit to one.
JOBS_PER_S_MAX = 5_000.0
JOBS_MIN = 200
#: Unless another is asked for: the question needs one for which workers are what is short.
JOB = JobSpec(kind="sleep", sleep_ms=50.0)

QUESTION = "Do more workers do as much more?"


async def run(bench: Bench, plan: Plan) -> Section:
    """Drains a backlog with each count.

    Raises:
        BenchFailed: currantd ended, or nothing moved.
    """
    plan = plan if plan.job_given else replace(plan, job=JOB)
    counts = plan.scale_workers
    return section([await drain(bench, sized(plan, count), f"{count} worker{'s'[: count > 1]}") for count in counts])


def sized(plan: Plan, workers: int) -> Plan:
    """Returns the plan of one count: as many jobs as it can do in the time.

    For a job that takes no time of its own that is not known: then each count gets the plan's jobs.
    """
    slot_s, cpu_s = times(plan.job)
    if not slot_s:
        return replace(plan, workers=workers)
    most = max(plan.scale_workers)
    concurrency = max(1, min(plan.concurrency, int(JOBS_PER_S_MAX * slot_s / most)))
    per_s = workers * concurrency / slot_s
    if cpu_s:
        # A child runs on one core, whatever its concurrency.
        per_s = min(per_s, min(workers, os.cpu_count() or 1) / cpu_s)
    seconds = COUNT_S if plan.duration_s is None else plan.duration_s
    return replace(plan, workers=workers, concurrency=concurrency, jobs=max(JOBS_MIN, round(per_s * seconds)))


def times(job: JobSpec) -> tuple[float, float]:
    """Returns for how long a job holds its slot, and a core, on average, in seconds."""
    shares = dict(job.parts)
    sleep_s, cpu_s = (share_ms / 1000 for share_ms in (job.sleep_ms, job.cpu_ms))
    cpu_s *= shares.get("cpu", 0.0)
    return shares.get("sleep", 0.0) * sleep_s + cpu_s, cpu_s


def section(runs: list[Run]) -> Section:
    """Sets each count beside the fewest workers."""
    rows, speed_up, efficiency = [], 1.0, 1.0
    for each in runs:
        speed_up, efficiency = compared(runs[0], each)
        busy = "–" if each.utilization is None else f"{each.utilization:.1%}"
        rows.append([f"{each.workers}", f"{each.throughput_per_s:,.0f}", f"{speed_up:.2f}", f"{efficiency:.3f}", busy])
    fewest, most = runs[0], runs[-1]
    figures = {"speed_up": round(speed_up, 3), "efficiency": round(efficiency, 3)}
    if most.utilization is not None:
        figures["utilization"] = round(most.utilization, 4)
    return Section(
        mode="scale",
        question=QUESTION,
        answer=f"From {fewest.workers} to {most.workers} workers {most.job} jobs run {speed_up:.2f} × as fast:"
        f" an efficiency of {efficiency:.2f}.",
        runs=runs,
        figures=figures,
        head=["workers", "jobs/s", "speed-up", "efficiency", "busy"],
        rows=rows,
    )


def compared(fewest: Run, run: Run) -> tuple[float, float]:
    """Returns the speed-up, and what of it each worker has kept."""
    speed_up = run.throughput_per_s / fewest.throughput_per_s if fewest.throughput_per_s else 0.0
    return speed_up, speed_up * fewest.workers / run.workers
