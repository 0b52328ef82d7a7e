"""`python -m grafana.dashboard > grafana/dashboards/currant.json`: the dashboard, for Grafana 10 and later."""

import json
from collections.abc import Sequence

from grafana.panels import COLUMNS, DATASOURCE, Json, Panel, Row, to_json
from grafana.rows import ROWS

UID, TITLE = "currant", "Currant"
_HEADING_HEIGHT = 1


def dashboard() -> Json:
    """Returns the dashboard in Grafana's classic JSON."""
    return {
        "uid": UID,
        "title": TITLE,
        "description": "Durable jobs on Postgres: nodes, their children, queues, the database.",
        "tags": ["currant"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "links": [],
        "templating": {"list": _variables()},
        "annotations": {"list": [_starts()]},
        "panels": _placed(ROWS),
    }


def _placed(rows: Sequence[Row]) -> list[Json]:
    """Puts the panels of each row from left to right, on a new line where one does not fit."""
    placed: list[Json] = []
    y = 0
    for row in rows:
        placed.append(_heading(row, id=len(placed) + 1, y=y))
        y += _HEADING_HEIGHT
        x, line = 0, 0
        for panel in row.panels:
            if x + panel.width > COLUMNS:
                x, y, line = 0, y + line, 0
            placed.append(to_json(panel, id=len(placed) + 1, x=x, y=y))
            x, line = x + panel.width, max(line, panel.height)
        y += line
    return placed


def _heading(row: Row, *, id: int, y: int) -> Json:
    place = {"x": 0, "y": y, "w": COLUMNS, "h": _HEADING_HEIGHT}
    return {"id": id, "type": "row", "title": row.title, "collapsed": False, "gridPos": place, "panels": []}


def _variables() -> list[Json]:
    return [
        {
            "name": "datasource",
            "label": "Prometheus",
            "type": "datasource",
            "query": "prometheus",
            "refresh": 1,
            "hide": 0,
            "multi": False,
            "includeAll": False,
        },
        # One job of Prometheus is the nodes of one database: their queue figures are of the same rows.
        _variable("job", "Job", "label_values(currant_node_info, job)", several=False),
        _variable("node", "Node", 'label_values(currant_node_info{job="$job"}, instance)', several=True),
        _variable("queue", "Queue", 'label_values(currant_queue_executions{job="$job"}, queue)', several=True),
    ]


def _variable(name: str, label: str, query: str, *, several: bool) -> Json:
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": DATASOURCE,
        "query": {"query": query, "refId": f"variable-{name}"},
        "definition": query,
        # When the time range changes: nodes come and go.
        "refresh": 2,
        "sort": 1,
        "hide": 0,
        "multi": several,
        "includeAll": several,
        **({"allValue": ".*", "current": {"text": "All", "value": "$__all"}} if several else {}),
    }


def _starts() -> Json:
    return {
        "name": "Starts of nodes",
        "datasource": DATASOURCE,
        "enable": True,
        "hide": False,
        "iconColor": "blue",
        "expr": 'changes(currant_node_start_time_seconds{job="$job", instance=~"$node"}[$__rate_interval]) > 0',
        "titleFormat": "Node started",
        "textFormat": "{{instance}}",
        "step": "60s",
    }


def panels() -> list[tuple[Row, Panel]]:
    """Returns all panels, each with its row."""
    return [(row, panel) for row in ROWS for panel in row.panels]


def describe() -> str:
    """Returns the text of the file."""
    return json.dumps(dashboard(), indent=2) + "\n"


if __name__ == "__main__":
    print(describe(), end="")
