"""What PromQL says: the metrics that a query names, and the labels that it uses."""

from typing import Any

import pytest

parser: Any = pytest.importorskip("promql_parser", reason="promql-parser, of the extra `dev`, is not installed")

#: What Grafana puts in place of its variables, as a query may meet it.
VARIABLES = {"$__rate_interval": "1m", "$job": "currant", "$node": ".*", "$queue": ".*"}


def interpolated(query: str) -> str:
    """Returns the query as Grafana sends it."""
    for variable, value in VARIABLES.items():
        query = query.replace(variable, value)
    assert "$" not in query, f"a variable that the dashboard does not have: {query}"
    return query


def selectors(query: str) -> list[tuple[str, set[str]]]:
    """Returns what the query selects: each metric with the labels by which it is chosen.

    Raises:
        ValueError: the query cannot be parsed.
    """
    found: list[tuple[str, set[str]]] = []

    def visit(expr: Any) -> None:
        if isinstance(expr, parser.VectorSelector):
            found.append((expr.name, {matcher.name for matcher in expr.matchers.matchers}))

    parser.walk(parser.parse(query), visit)
    return found


def grouped_by(query: str) -> set[str]:
    """Returns the labels that the query's aggregations keep."""
    labels: set[str] = set()

    def visit(expr: Any) -> None:
        if isinstance(expr, parser.AggregateExpr) and expr.modifier is not None:
            labels.update(expr.modifier.labels)

    parser.walk(parser.parse(query), visit)
    return labels
