"""`python -m grafana.trial http://127.0.0.1:9090`: asks a Prometheus for each panel's queries, and which gave data."""

import math
import sys

from grafana import dashboard
from grafana.answers import instant

#: Four scrapes of the example.
_RATE_INTERVAL = "1m"


def series(address: str, query: str) -> tuple[int, int]:
    """Returns how many series the query has at the moment, and how many of their values are numbers.

    Raises:
        OSError: Prometheus does not answer, or refuses the query.
    """
    found = instant(address, query, _RATE_INTERVAL)
    return len(found), sum(not math.isnan(value) for _, value in found)


def describe(address: str) -> str:
    """Returns a table in Markdown, a line for each query."""
    lines = ["| row | panel | query | series | with a value |", "|---|---|---|---|---|"]
    for row, panel in dashboard.panels():
        for query in panel.queries:
            count, numbers = series(address, query.expr)
            lines.append(f"| {row.title} | {panel.title} | {query.legend} | {count} | {numbers} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(describe(sys.argv[1]))
