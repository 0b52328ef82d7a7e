"""Prints docs/metrics.md."""

from currant.supervisor.metrics.page import describe

print(describe(), end="")  # noqa: T201
