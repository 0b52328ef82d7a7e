"""Every metric that a node exports: docs/metrics.md is made from this, and what is not in it is not exported."""

from currant.supervisor.metrics import children, database, executions, node, queues
from currant.supervisor.metrics.metric import Metric

SECTIONS = (executions.SECTION, node.WAYS, children.SECTION, database.SECTION, queues.SECTION, node.SECTION)
METRICS: dict[str, Metric] = {metric.name: metric for section in SECTIONS for metric in section.metrics}
