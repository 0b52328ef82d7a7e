"""What went wrong, and what was done about it."""

from grafana.panels import Panel, Query, Row
from grafana.rows.selectors import NODE, QUEUE, failed_part, finished, rate


def _ten(rates: str) -> list[Query]:
    return [Query(f"topk(10, {rates} > 0)", "{{function}}")]


def _total(name: str, legend: str) -> Query:
    return Query(f"sum(increase({name}{{{NODE}}}[$__rate_interval]))", legend)


FAILURES = Row(
    "Failures",
    [
        Panel(
            title="Failed",
            description="Executions per second that failed for good, by function. `currant dead list` shows them.",
            queries=_ten(finished("failed", "function")),
            unit="cps",
        ),
        Panel(
            title="Retried",
            description="Executions per second that failed and will be tried again, by function.",
            queries=_ten(finished("retried", "function")),
            unit="cps",
        ),
        Panel(
            title="Crashed",
            description="Executions per second that ran in a child when it died, by function. The one that is in all "
            "of the crashes is the likely cause.",
            queries=_ten(finished("crashed", "function")),
            unit="cps",
        ),
        Panel(
            title="Timeouts",
            description="Executions per second that ran past their timeout, by function.",
            queries=_ten(rate("currant_execution_timeouts_total", "function", QUEUE)),
            unit="cps",
        ),
        Panel(
            title="Dead letters",
            description="Executions per second that were copied to the dead letters, by function.",
            queries=_ten(rate("currant_dead_letters_total", "function", QUEUE)),
            unit="cps",
        ),
        Panel(
            title="Part that failed, by queue",
            description="Of the executions that ended, the part that failed for good.",
            queries=[Query(failed_part("queue"), "{{queue}}")],
            unit="percentunit",
        ),
        Panel(
            title="Fenced, released, reclaimed",
            description="In each interval of the panel. Fenced: outcomes that came after another node had "
            "taken their executions back, and changed nothing. Released: given back uncounted. Reclaimed: taken back "
            "from dead nodes.",
            queries=[
                _total("currant_outcomes_fenced_total", "fenced"),
                _total("currant_executions_released_total", "released"),
                _total("currant_executions_reclaimed_total", "reclaimed"),
            ],
            unit="short",
        ),
        Panel(
            title="Parked",
            description="Executions, in each interval of the panel, whose function no module of the node knows. "
            "They wait for a node that does.",
            queries=[_total("currant_executions_parked_total", "parked")],
            unit="short",
        ),
        Panel(
            title="Suspects",
            description="Executions that have met two crashes, and wait to run alone.",
            queries=[Query(f"sum by (instance) (currant_suspects{{{NODE}}})", "{{instance}}")],
            unit="short",
        ),
    ],
)
