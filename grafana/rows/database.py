"""What the nodes ask of Postgres, and how it answers."""

from grafana.panels import GREEN, RED, Kind, Panel, Query, Row
from grafana.rows.selectors import NODE, rate, ratio

_COUNT = "currant_database_statements_total"
_SECONDS = "currant_database_statement_seconds_total"
_ROWS = "currant_database_statement_rows_total"
_CLAIMS = f'{NODE}, statement=~"claim|claim_one"'
_COMPLETIONS = f'{NODE}, statement=~"complete|complete_by_id|discard|settle"'

DATABASE = Row(
    "Database",
    [
        Panel(
            title="Statements",
            description="Statements per second by name, the ten most frequent. An idle node sends one in four or five "
            "seconds. Their texts are in src/currant/store/sql.",
            queries=[Query(f"topk(10, {rate(_COUNT, 'statement')})", "{{statement}}")],
            unit="cps",
            stacked=True,
        ),
        Panel(
            title="Duration",
            description="How long a statement takes on the average, from sending it to its answer.",
            queries=[Query(f"topk(10, {ratio(_SECONDS, _COUNT, 'statement')})", "{{statement}}")],
            unit="s",
        ),
        Panel(
            title="Time in statements",
            description="How many connections are busy with each statement, on the average. Near 1 for claim or for "
            "complete, and it is the database that limits the node.",
            queries=[Query(f"topk(10, {rate(_SECONDS, 'statement')})", "{{statement}}")],
            unit="short",
            stacked=True,
        ),
        Panel(
            title="Rows per statement",
            description="How many executions one claim brings, and how many outcomes one completion writes. Large "
            "batches are what makes a loaded node cheap.",
            queries=[
                Query(ratio(_ROWS, _COUNT, where=_CLAIMS), "claim"),
                Query(ratio(_ROWS, _COUNT, where=_COMPLETIONS), "complete"),
            ],
            unit="short",
        ),
        Panel(
            title="Statements per execution",
            description="All statements over all executions that finished.",
            queries=[Query(f"{rate(_COUNT)} / ({rate('currant_executions_finished_total')} > 0)", "statements")],
            unit="short",
        ),
        Panel(
            title="Outcomes waiting",
            description="Outcomes that are not written yet, by node. Beyond 20,000 nothing is claimed.",
            queries=[Query(f"max by (instance) (currant_outcomes_waiting{{{NODE}}})", "{{instance}}")],
            unit="short",
        ),
        Panel(
            title="Connections",
            description="Whether each connection that a node needs is there.",
            queries=[
                Query(
                    f"min by (instance, connection) (currant_database_connection_up{{{NODE}}})",
                    "{{instance}} {{connection}}",
                )
            ],
            unit="short",
            kind=Kind.STATES,
            states=((0, "lost", RED), (1, "up", GREEN)),
        ),
        Panel(
            title="Connection losses",
            description="Connections that were lost, or could not be made, in each interval of the panel.",
            queries=[
                Query(
                    "sum by (instance) "
                    f"(increase(currant_database_connection_losses_total{{{NODE}}}[$__rate_interval]))",
                    "{{instance}}",
                )
            ],
            unit="short",
        ),
        Panel(
            title="Last tick",
            description="How long ago each node wrote its heartbeat. At CURRANT_HEARTBEAT_TIMEOUT_S others "
            "take it for dead.",
            queries=[
                Query(
                    f"max by (instance) (time() - currant_database_last_tick_timestamp_seconds{{{NODE}}})",
                    "{{instance}}",
                )
            ],
            unit="s",
        ),
        Panel(
            title="Notifications",
            description="Notifications per second that Postgres delivered to the nodes: enqueues that woke them.",
            queries=[Query(rate("currant_notifications_total", "instance"), "{{instance}}")],
            unit="cps",
        ),
        Panel(
            title="Pruned",
            description="Rows per second that were deleted because their time to be kept was over.",
            queries=[Query(rate("currant_executions_pruned_total", "instance"), "{{instance}}")],
            unit="cps",
        ),
    ],
)
