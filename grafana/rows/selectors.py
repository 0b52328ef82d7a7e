"""What the queries choose by, and how they are put together."""

#: The chosen nodes.
NODE = 'job="$job", instance=~"$node"'
#: The chosen queues, on the chosen nodes.
QUEUE = f'{NODE}, queue=~"$queue"'
#: The chosen queues, whoever tells of them: each node that serves a queue tells the same of it.
ANY_NODE = 'job="$job", queue=~"$queue"'
SCHEDULE_TO_START = "currant_execution_schedule_to_start_seconds"
RUN = "currant_execution_run_seconds"
FINISHED = "currant_executions_finished_total"


def rate(name: str, by: str = "", where: str = NODE) -> str:
    """Returns the counter's growth per second, added up by these labels."""
    return f"sum{_by(by)}(rate({name}{{{where}}}[$__rate_interval]))"


def ratio(part: str, whole: str, by: str = "", where: str = NODE) -> str:
    """Returns the growth of one counter over that of another."""
    # Nothing over nothing is no number, and no series is better than one of those.
    return f"{rate(part, by, where)} / ({rate(whole, by, where)} > 0)"


def quantile(share: float, histogram: str, by: str = "", where: str = QUEUE) -> str:
    """Returns the value below which this share of the observations are."""
    labels = f"{by}, le" if by else "le"
    return f"histogram_quantile({share:g}, {rate(f'{histogram}_bucket', labels, where)})"


def mean(histogram: str, by: str = "", where: str = QUEUE) -> str:
    """Returns the mean of the observations."""
    return ratio(f"{histogram}_sum", f"{histogram}_count", by, where)


def finished(outcomes: str, by: str = "") -> str:
    """Returns how many executions per second had one of these outcomes, a regular expression."""
    return rate(FINISHED, by, f'{QUEUE}, outcome=~"{outcomes}"')


def failed_part(by: str = "") -> str:
    """Returns which part of the executions that ended has failed for good."""
    ended = finished("completed|failed|cancelled", by)
    # Where nothing has failed, there is no series that says so.
    return f"({finished('failed', by)} or 0 * {ended}) / ({ended} > 0)"


def _by(labels: str) -> str:
    return f" by ({labels}) " if labels else ""
