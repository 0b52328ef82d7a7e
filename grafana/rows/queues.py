"""What waits. These figures are the database's, whichever nodes are chosen: each that serves a queue tells the same."""

from grafana.panels import GREEN, ORANGE, Kind, Panel, Query, Row
from grafana.rows.selectors import ANY_NODE, QUEUE, SCHEDULE_TO_START, quantile, rate

_EXECUTIONS = "currant_queue_executions"


def _state(state: str) -> str:
    return f'max by (queue) ({_EXECUTIONS}{{{ANY_NODE}, state="{state}"}})'


QUEUES = Row(
    "Queues",
    [
        Panel(
            title="Pending",
            description="Executions that are due and not claimed. Counted up to a bound: see docs/metrics.md.",
            queries=[Query(_state("pending"), "{{queue}}")],
            unit="short",
        ),
        Panel(
            title="Oldest pending",
            description="How long ago the pending execution that was enqueued first was enqueued.",
            queries=[Query(f"max by (queue) (currant_queue_oldest_pending_seconds{{{ANY_NODE}}})", "{{queue}}")],
            unit="s",
        ),
        Panel(
            title="Due to started, p95 by queue",
            description="19 of 20 executions began within this time after they had become due.",
            queries=[Query(quantile(0.95, SCHEDULE_TO_START, "queue", ANY_NODE), "{{queue}}")],
            unit="s",
        ),
        Panel(
            title="Scheduled",
            description="Executions that are due later: delayed ones, retries that wait, and those that are parked.",
            queries=[Query(_state("scheduled"), "{{queue}}")],
            unit="short",
        ),
        Panel(
            title="Running",
            description="Executions that the chosen nodes have claimed and that have not ended.",
            queries=[Query(f'sum by (queue) ({_EXECUTIONS}{{{QUEUE}, state="running"}})', "{{queue}}")],
            unit="short",
        ),
        Panel(
            title="Time to drain",
            description="What is pending over what is claimed per second: how long the backlog would take if nothing "
            "came. Nothing is shown where nothing is claimed.",
            queries=[
                Query(
                    f"{_state('pending')} / ({rate('currant_executions_claimed_total', 'queue', ANY_NODE)} > 0)",
                    "{{queue}}",
                )
            ],
            unit="s",
        ),
        Panel(
            title="Paused",
            description="Queues from which nothing is claimed, because somebody said so: currantctl pause.",
            queries=[Query(f"max by (queue) (currant_queue_paused{{{ANY_NODE}}})", "{{queue}}")],
            unit="short",
            kind=Kind.STATES,
            width=16,
            height=6,
            states=((0, "open", GREEN), (1, "paused", ORANGE)),
        ),
        Panel(
            title="Age of these figures",
            description="They are counted when somebody asks, and kept for a while. Old: the database did not answer "
            "in time.",
            queries=[
                Query('max by (instance) (currant_queue_figures_age_seconds{job="$job"})', "{{instance}}"),
            ],
            unit="s",
            height=6,
        ),
    ],
)
