"""The rows of the dashboard, from what to look at first to what explains it."""

from grafana.rows.children import CHILDREN
from grafana.rows.database import DATABASE
from grafana.rows.failures import FAILURES
from grafana.rows.overview import OVERVIEW
from grafana.rows.queues import QUEUES
from grafana.rows.throughput import THROUGHPUT

ROWS = (OVERVIEW, THROUGHPUT, CHILDREN, QUEUES, DATABASE, FAILURES)
