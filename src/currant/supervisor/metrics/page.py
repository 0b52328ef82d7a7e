"""docs/metrics.md, made from the table."""

from currant.supervisor.metrics.metric import Section
from currant.supervisor.metrics.table import SECTIONS

_HEAD = """\
# Metrics

    currantd -m app --metrics 127.0.0.1:9464

serves, for each node, three addresses. They answer GET and HEAD, and need no password: whoever can connect can read
them.

| address | what it says |
|---|---|
| `/metrics` | What follows, as text or as OpenMetrics, gzipped if that is allowed: as the request says. |
| `/healthz` | 200: the process is live. |
| `/readyz` | 200: it is registered, has a child that is ready, and claims. Else 503, with the reason. |

    scrape_configs:
      - job_name: currant
        static_configs:
          - targets: ["127.0.0.1:9464"]

All come from one process, the supervisor, which adds up what its children report. There are no `_created` series, and
no label has values without bound. Counters begin at 0 with the supervisor; those of a child go on when its process is
replaced.

Made by `python -m currant.supervisor.metrics`.
"""

_COST = """\
## What it costs

Nothing while nobody scrapes, but for the counting, which is done in batches.
"""


def describe() -> str:
    """Returns the page in Markdown."""
    return "\n".join([_HEAD, *map(_section, SECTIONS), _COST])


def _section(section: Section) -> str:
    lines = [
        f"## {section.title}",
        "",
        section.about,
        "",
        "| metric | type | labels | unit | meaning |",
        "|---|---|---|---|---|",
    ]
    for metric in section.metrics:
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        lines.append(f"| `{metric.name}` | {metric.kind} | {labels} | {metric.unit} | {metric.meaning} |")
    lines += ["", "| for example | query |", "|---|---|"]
    # A bar would end the cell.
    lines += [f"| `{metric.name}` | `{metric.query.replace('|', chr(92) + '|')}` |" for metric in section.metrics]
    return "\n".join(lines) + "\n"
