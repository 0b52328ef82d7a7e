"""The first look: is it well, and how much does it do?"""

from grafana.panels import BLUE, GREEN, GREY, ORANGE, RED, Kind, Panel, Query, Row, stat
from grafana.rows.selectors import (
    ANY_NODE,
    FINISHED,
    NODE,
    QUEUE,
    RUN,
    SCHEDULE_TO_START,
    failed_part,
    quantile,
    rate,
    ratio,
)

_PHASES = (
    ("starting", BLUE),
    ("running", GREEN),
    ("degraded", ORANGE),
    ("reloading", BLUE),
    ("draining", GREY),
    ("hurrying", GREY),
    ("quitting", RED),
    ("stopped", RED),
)
#: A node has one phase at a time, so the number of the one that is 1.
_PHASE = " or ".join(
    f'{number} * currant_node_phase{{{NODE}, phase="{phase}"}}' for number, (phase, _) in enumerate(_PHASES, 1)
)

_FIGURES = (
    Panel(
        title="Nodes",
        description="Supervisors that answer Prometheus.",
        queries=[Query(f"count(currant_node_info{{{NODE}}}) or vector(0)")],
        unit="short",
        steps=((0, RED), (1, GREEN)),
    ),
    Panel(
        title="Children",
        description="Child processes that take work, and places for them. Fewer than places: see the row Children.",
        queries=[
            Query(f"sum(currant_child_up{{{NODE}}}) or vector(0)", "up"),
            Query(f"count(currant_child_up{{{NODE}}}) or vector(0)", "places"),
        ],
        unit="short",
        steps=((0, RED), (1, GREEN)),
    ),
    Panel(
        title="Finished",
        description="Executions per second whose outcome was written to the database, whatever it was.",
        queries=[Query(rate(FINISHED, where=QUEUE))],
        unit="cps",
        steps=((0, BLUE),),
    ),
    Panel(
        title="Failed for good",
        description="The part of the executions that ended which failed with no retry left.",
        queries=[Query(failed_part())],
        unit="percentunit",
        decimals=2,
        steps=((0, GREEN), (0.01, ORANGE), (0.1, RED)),
    ),
    Panel(
        title="Utilization",
        description="The part of the slots' time in which they ran something. Near 100 %, and a backlog: too few.",
        queries=[Query(ratio("currant_child_busy_slot_seconds_total", "currant_child_slot_seconds_total"))],
        unit="percentunit",
        max=1,
        steps=((0, GREEN), (0.85, ORANGE), (0.95, RED)),
    ),
    Panel(
        title="Alerts",
        description="Alerts of prometheus/currant.alerts.yml that fire; 0 also where these rules are not loaded.",
        queries=[Query('count(ALERTS{job="$job", alertname=~"Currant.*", alertstate="firing"}) or vector(0)')],
        unit="short",
        steps=((0, GREEN), (1, RED)),
    ),
    Panel(
        title="Pending",
        description="Executions that are due and that no node has claimed, in all chosen queues.",
        queries=[Query(f'sum(max by (queue) (currant_queue_executions{{{ANY_NODE}, state="pending"}}))')],
        unit="short",
        steps=((0, BLUE),),
    ),
    Panel(
        title="Oldest pending",
        description="How long ago the one that waits longest was enqueued. Paused queues count, too.",
        queries=[Query(f"max(currant_queue_oldest_pending_seconds{{{ANY_NODE}}})")],
        unit="s",
        steps=((0, GREEN), (60, ORANGE), (300, RED)),
    ),
    Panel(
        title="Due to started, p95",
        description="19 of 20 executions began within this time after they had become due.",
        queries=[Query(quantile(0.95, SCHEDULE_TO_START))],
        unit="s",
        steps=((0, GREEN), (10, ORANGE), (60, RED)),
    ),
    Panel(
        title="Run time, p95",
        description="19 of 20 executions ran no longer than this.",
        queries=[Query(quantile(0.95, RUN))],
        unit="s",
        steps=((0, BLUE),),
    ),
    Panel(
        title="Outcomes waiting",
        description="Outcomes that the database does not have yet. They grow while it does not answer; beyond 20,000 "
        "of a node it claims nothing more.",
        queries=[Query(f"sum(currant_outcomes_waiting{{{NODE}}})")],
        unit="short",
        steps=((0, GREEN), (5000, ORANGE), (15000, RED)),
    ),
    Panel(
        title="Last tick",
        description="How long ago the node whose heartbeat is oldest wrote it. Others take it for dead at "
        "CURRANT_HEARTBEAT_TIMEOUT_S, 30 s by default.",
        queries=[Query(f"max(time() - currant_database_last_tick_timestamp_seconds{{{NODE}}})")],
        unit="s",
        decimals=0,
        steps=((0, GREEN), (15, ORANGE), (25, RED)),
    ),
)

OVERVIEW = Row(
    "Overview",
    [
        *map(stat, _FIGURES),
        Panel(
            title="Phases of the nodes",
            description="What each node is about; degraded: it works with less than it should have. "
            "docs/lifecycle.md explains them.",
            queries=[Query(f"max by (instance) ({_PHASE})", "{{instance}}")],
            unit="short",
            kind=Kind.STATES,
            width=24,
            height=5,
            states=[(number, phase, color) for number, (phase, color) in enumerate(_PHASES, 1)],
        ),
    ],
)
