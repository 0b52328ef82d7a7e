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

**While nobody scrapes**: nothing, but for the counting, which is done in batches.

**An idle node** that is scraped every 15 s sends 0.27 statements a second, where 0.2 are its own and 0.07 are for the
figures of queues, and its supervisor uses 0.1 % of a core.

**A scrape** of a node with a few functions takes some milliseconds of the supervisor. At the bounds, 100 children and
1,000 pairs of queue and function, it is 45,000 samples, 3.9 MB of text or 160 kB gzipped, and 0.2 s of a core (2
cores, shared): about 1 % at one scrape in 15 s. It is made in pieces of 250 samples, about a millisecond each,
between which the supervisor does its other work; two scrapes at a time take turns. 16 clients at a time are answered;
each has 5 s for its request and 10 s to take the answer.

**The figures of queues** are one statement, at most once in 15 s, and none while nobody scrapes. It goes over the
connection that is made on demand for what children ask for; so a node that is scraped has four connections, not
three. A scrape waits for it for a second at the most, and then tells what was heard last, with its age.

Of each queue up to 10,000 pending and 10,000 scheduled executions are counted, and of all queues together up to
100,000 of each. With 1,000,000 rows in ten queues, ten times 10,000 of each take 20 to 40 ms where vacuum has seen
the rows, and one queue 3 to 10 ms. Where it has not, because they were inserted just now, each counted row costs a
look at the table, perhaps on the disk: the same took 1.4 s and more. So a count that takes more than 0.1 s makes the
next one shorter, down to 100 rows of each queue, and `currant_queue_count_limit` says where they stop. The oldest
pending one is found with one look for each priority, whatever waits.
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
    lines += [f"| `{metric.name}` | `{metric.query}` |" for metric in section.metrics]
    return "\n".join(lines) + "\n"
