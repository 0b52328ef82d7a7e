"""The metrics of executions, by queue and function."""

from collections import Counter
from collections.abc import Iterator, Mapping

from currant.supervisor.metrics.families import Buckets, Family, family, histogram
from currant.supervisor.metrics.metric import Kind, Metric, Section
from currant.supervisor.tally import KEYS_MAX, OUTCOMES, Histogram, Key, Tally

_BY_JOB = ("queue", "function")

CLAIMED = Metric(
    "currant_executions_claimed_total", Kind.COUNTER, _BY_JOB, "executions",
    "Claimed from the database.",
    "sum by (queue) (rate(currant_executions_claimed_total[5m]))",
)  # fmt: skip
STARTED = Metric(
    "currant_executions_started_total", Kind.COUNTER, _BY_JOB, "executions",
    "Begun in a child: user code could run.",
    "sum by (function) (rate(currant_executions_started_total[5m]))",
)  # fmt: skip
FINISHED = Metric(
    "currant_executions_finished_total", Kind.COUNTER, (*_BY_JOB, "outcome"), "executions",
    "Outcomes that are in the database; `outcome` is completed, failed (for good), retried, cancelled, snoozed or"
    " crashed. A crash that is retried counts as crashed.",
    'sum by (function) (rate(currant_executions_finished_total{outcome="failed"}[5m]))',
)  # fmt: skip
TIMEOUTS = Metric(
    "currant_execution_timeouts_total", Kind.COUNTER, _BY_JOB, "executions",
    "Ran longer than their timeout, whatever followed from it.",
    "sum by (function) (increase(currant_execution_timeouts_total[1h]))",
)  # fmt: skip
DEAD_LETTERS = Metric(
    "currant_dead_letters_total", Kind.COUNTER, _BY_JOB, "executions",
    "Failed for good, with a row in `dead_letter_queue`.",
    "sum by (function) (increase(currant_dead_letters_total[1d]))",
)  # fmt: skip
WAITS = Metric(
    "currant_execution_schedule_to_start_seconds", Kind.HISTOGRAM, _BY_JOB, "seconds",
    "From when an execution was due (enqueued, the end of its delay or of its retry's wait, given back) until it began"
    " in a child.",
    "histogram_quantile(0.95, sum by (le, queue) (rate(currant_execution_schedule_to_start_seconds_bucket[5m])))",
)  # fmt: skip
RUNS = Metric(
    "currant_execution_run_seconds", Kind.HISTOGRAM, _BY_JOB, "seconds",
    "From its beginning in a child until it came to an end there, whatever end.",
    "histogram_quantile(0.95, sum by (le, function) (rate(currant_execution_run_seconds_bucket[5m])))",
)  # fmt: skip

SECTION = Section(
    "Executions",
    "By queue and function. Functions that the node's modules register, at any time since its start, have a label of"
    f" their own, others count as `other`; of queue and function there are at most {KEYS_MAX:,} pairs, what is beyond"
    ' counts as `queue="other", function="other"`. Pairs that nothing was claimed of have no samples.',
    (CLAIMED, STARTED, FINISHED, TIMEOUTS, DEAD_LETTERS, WAITS, RUNS),
)


def families(tally: Tally) -> Iterator[Family]:
    """Gives what has been counted."""
    # Also what has not happened yet: from a sample that begins with 1, no rate can tell that there was none before.
    keys = sorted(
        {*tally.claimed, *tally.started, *((queue, function) for queue, function, _ in tally.finished), *tally.runs}
    )
    outcomes = [(queue, function, outcome) for queue, function in keys for outcome in OUTCOMES]
    for metric, counter in (
        (CLAIMED, tally.claimed),
        (STARTED, tally.started),
        (TIMEOUTS, tally.timeouts),
        (DEAD_LETTERS, tally.dead_letters),
    ):
        yield family(metric, _values(counter, keys))
    yield family(FINISHED, ((each, tally.finished[each]) for each in outcomes))
    yield histogram(WAITS, _buckets(tally.waits), Histogram.BOUNDS)
    yield histogram(RUNS, _buckets(tally.runs), Histogram.BOUNDS)


def _values(counter: Counter[Key], keys: list[Key]) -> Iterator[tuple[Key, int]]:
    return ((key, counter[key]) for key in keys)


def _buckets(histograms: Mapping[Key, Histogram]) -> Iterator[Buckets]:
    # Of each as it is at one moment, though others may be counted meanwhile.
    return (Buckets(key, list(each.counts), each.sum) for key, each in sorted(histograms.items()))
