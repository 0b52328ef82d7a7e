"""How many, and how fast."""

from grafana.panels import Kind, Panel, Query, Row
from grafana.rows.selectors import FINISHED, QUEUE, RUN, SCHEDULE_TO_START, mean, quantile, rate


def _quantiles(histogram: str) -> list[Query]:
    return [Query(quantile(share, histogram), f"p{share * 100:g}") for share in (0.5, 0.95, 0.99)]


THROUGHPUT = Row(
    "Throughput and latency",
    [
        Panel(
            title="Claimed, started, finished",
            description="Executions per second. Claimed above finished for long: children hold more than they end.",
            queries=[
                Query(rate("currant_executions_claimed_total", where=QUEUE), "claimed"),
                Query(rate("currant_executions_started_total", where=QUEUE), "started"),
                Query(rate(FINISHED, where=QUEUE), "finished"),
            ],
            unit="cps",
        ),
        Panel(
            title="Finished by outcome",
            description="Executions per second by what became of them, as the database has it.",
            queries=[Query(rate(FINISHED, "outcome", QUEUE), "{{outcome}}")],
            unit="cps",
            stacked=True,
        ),
        Panel(
            title="Finished by queue",
            description="Executions per second of each queue.",
            queries=[Query(rate(FINISHED, "queue", QUEUE), "{{queue}}")],
            unit="cps",
            stacked=True,
        ),
        Panel(
            title="Due to started",
            description="The time from when an execution became due until it began: how long work waits. Grows "
            "with the backlog.",
            queries=_quantiles(SCHEDULE_TO_START),
            unit="s",
        ),
        Panel(
            title="Run time",
            description="How long executions ran. Quantiles are as exact as the buckets of the histogram.",
            queries=_quantiles(RUN),
            unit="s",
        ),
        Panel(
            title="Run times",
            description="How many executions ran how long.",
            queries=[Query(rate(f"{RUN}_bucket", "le", QUEUE))],
            unit="s",
            kind=Kind.HEATMAP,
        ),
        Panel(
            title="Finished by function",
            description="Executions per second of the ten busiest functions.",
            queries=[Query(f"topk(10, {rate(FINISHED, 'function', QUEUE)})", "{{function}}")],
            unit="cps",
        ),
        Panel(
            title="Slots that functions hold",
            description="How many executions of each function run at a time, on the average: rate times run time. "
            "What fills the slots, of the ten that do so most.",
            queries=[Query(f"topk(10, {rate(f'{RUN}_sum', 'function', QUEUE)})", "{{function}}")],
            unit="short",
            stacked=True,
        ),
        Panel(
            title="Functions",
            description="Each function at the end of the time that is shown.",
            queries=[
                Query(rate(FINISHED, "function", QUEUE), "finished / s"),
                Query(mean(RUN, "function"), "mean run"),
                Query(quantile(0.95, RUN, "function"), "p95 run"),
                Query(quantile(0.95, SCHEDULE_TO_START, "function"), "p95 wait"),
            ],
            unit="s",
            units=("cps",),
            kind=Kind.TABLE,
        ),
    ],
)
