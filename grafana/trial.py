"""`python -m grafana.trial http://127.0.0.1:9090`: asks a Prometheus for each panel's queries, and which gave data."""

import json
import math
import sys
import urllib.parse
import urllib.request

from grafana import dashboard

#: Grafana's variables, for a job with the name of the example; `$__rate_interval` is four of its scrapes.
_VARIABLES = {"$__rate_interval": "1m", "$job": "currant", "$node": ".*", "$queue": ".*"}


def series(address: str, query: str) -> tuple[int, int]:
    """Returns how many series the query has at the moment, and how many of their values are numbers.

    Raises:
        OSError: Prometheus does not answer, or refuses the query.
    """
    for variable, value in _VARIABLES.items():
        query = query.replace(variable, value)
    url = f"{address}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 – the address is the caller's own
        found = json.load(answer)["data"]["result"]
    return len(found), sum(not math.isnan(float(one["value"][1])) for one in found)


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
