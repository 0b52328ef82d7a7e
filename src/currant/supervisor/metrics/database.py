"""The metrics of the database's side: statements, connections, notifications."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from currant.records import StatementUse
from currant.supervisor.metrics.families import Family, family, single
from currant.supervisor.metrics.metric import Kind, Metric, Section

STATEMENTS = Metric(
    "currant_database_statements_total", Kind.COUNTER, ("statement",), "statements",
    "Sent, by the name of its file in `store/sql/`; and connect, session, listen, begin, commit, rollback and prepare.",
    "sum by (statement) (rate(currant_database_statements_total[5m]))",
)  # fmt: skip
STATEMENT_SECONDS = Metric(
    "currant_database_statement_seconds_total", Kind.COUNTER, ("statement",), "seconds",
    "From sending until the answer was there: divided by the statements, their mean duration.",
    "sum by (statement) (rate(currant_database_statement_seconds_total[5m]))"
    " / sum by (statement) (rate(currant_database_statements_total[5m]))",
)  # fmt: skip
STATEMENT_ROWS = Metric(
    "currant_database_statement_rows_total", Kind.COUNTER, ("statement",), "rows",
    "Rows returned or written: divided by the statements, rows per claim (`claim.*`) or per completion (`complete`).",
    'sum(rate(currant_database_statement_rows_total{statement=~"claim.*"}[5m]))'
    ' / sum(rate(currant_database_statements_total{statement=~"claim.*"}[5m]))',
)  # fmt: skip
CONNECTION_UP = Metric(
    "currant_database_connection_up", Kind.GAUGE, ("connection",), "0 or 1",
    "0 while the connection is lost, or before the node has registered. Those that are made on demand (utility, upkeep)"
    " are up when nobody needs them.",
    "min by (instance) (currant_database_connection_up) == 0",
)  # fmt: skip
CONNECTION_LOSSES = Metric(
    "currant_database_connection_losses_total", Kind.COUNTER, (), "losses",
    "How often a connection was lost, or could not be made: an outage counts once for each connection.",
    "increase(currant_database_connection_losses_total[1h]) > 0",
)  # fmt: skip
LAST_TICK = Metric(
    "currant_database_last_tick_timestamp_seconds", Kind.GAUGE, (), "Unix time",
    "When the node's heartbeat was renewed last. No sample before the first time.",
    "time() - currant_database_last_tick_timestamp_seconds > 30",
)  # fmt: skip
NOTIFICATIONS = Metric(
    "currant_notifications_total", Kind.COUNTER, (), "notifications",
    "Heard through LISTEN. Those of one queue that came together count once; the node's own probes do not count.",
    "rate(currant_notifications_total[5m])",
)  # fmt: skip

SECTION = Section(
    "Database",
    "What the supervisor sends, which alone has connections.",
    (STATEMENTS, STATEMENT_SECONDS, STATEMENT_ROWS, CONNECTION_UP, CONNECTION_LOSSES, LAST_TICK, NOTIFICATIONS),
)


#: The connection that a node which polls does not have.
LISTEN = "listen"


class DatabaseState(NamedTuple):
    """How the node and its database get on. `up`: by connection; `ticked_at_s`: in Unix time, None before."""

    statements: Mapping[str, StatementUse]
    up: Mapping[str, bool]
    losses: int
    ticked_at_s: float | None
    notifications: int


def families(state: DatabaseState) -> Iterator[Family]:
    """Gives what was sent and heard."""
    uses = sorted(state.statements.items())
    yield family(STATEMENTS, (((name,), use.calls) for name, use in uses))
    yield family(STATEMENT_SECONDS, (((name,), use.seconds) for name, use in uses))
    yield family(STATEMENT_ROWS, (((name,), use.rows) for name, use in uses))
    yield family(CONNECTION_UP, (((name,), up) for name, up in sorted(state.up.items())))
    yield single(CONNECTION_LOSSES, state.losses)
    yield single(LAST_TICK, state.ticked_at_s)
    yield single(NOTIFICATIONS, state.notifications)
