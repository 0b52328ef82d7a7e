"""Panels and rows of the dashboard, and what they are in Grafana's classic JSON."""

import dataclasses
import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
#: A dashboard is so many units wide.
COLUMNS = 24
#: What is fine, what deserves a look, what is wrong.
GREEN, ORANGE, RED, BLUE, GREY = "green", "orange", "red", "blue", "text"


class Kind(enum.StrEnum):
    """What a panel is; the value is Grafana's word."""

    STAT = "stat"
    LINES = "timeseries"
    HEATMAP = "heatmap"
    STATES = "state-timeline"
    TABLE = "table"


@dataclass(frozen=True)
class Query:
    """PromQL, and what its series are called: in a table, the column."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One panel.

    Attributes:
        unit: as Grafana names it: `s`, `bytes`, `percentunit`, `cps` (a count per second), `short` (a count).
        steps: the colours from a value on; the first from the beginning.
        states: what the values of a state timeline mean, with a colour each.
        units: of a table's columns that are not `unit`.
        max: where the axis ends at least.
    """

    title: str
    description: str
    queries: Sequence[Query]
    unit: str
    kind: Kind = Kind.LINES
    width: int = 8
    height: int = 8
    stacked: bool = False
    max: float | None = None
    decimals: int | None = None
    steps: Sequence[tuple[float, str]] = ((0, GREEN),)
    states: Sequence[tuple[int, str, str]] = ()
    units: Sequence[str] = ()


@dataclass(frozen=True)
class Row:
    """Panels under one heading."""

    title: str
    panels: Sequence[Panel]


def stat(panel: Panel) -> Panel:
    """Returns the panel as one figure, small enough for six in a line."""
    return dataclasses.replace(panel, kind=Kind.STAT, width=4, height=4)


def to_json(panel: Panel, *, id: int, x: int, y: int) -> Json:
    """Returns the panel at its place in the dashboard."""
    return {
        "id": id,
        "type": panel.kind.value,
        "title": panel.title,
        "description": panel.description,
        "datasource": DATASOURCE,
        "gridPos": {"x": x, "y": y, "w": panel.width, "h": panel.height},
        "targets": [_target(panel, index) for index in range(len(panel.queries))],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": _overrides(panel)},
        "options": _options(panel),
        **({"transformations": _columns(panel)} if panel.kind is Kind.TABLE else {}),
    }


def reference(index: int) -> str:
    """Returns the letter by which a panel knows its query."""
    return chr(ord("A") + index)


def _target(panel: Panel, index: int) -> Json:
    query = panel.queries[index]
    # Only a heatmap needs all buckets; a figure and a table need the present only, and cost one evaluation.
    instant = panel.kind is Kind.TABLE
    return {
        "refId": reference(index),
        "datasource": DATASOURCE,
        "expr": query.expr,
        "legendFormat": "{{le}}" if panel.kind is Kind.HEATMAP else query.legend or "__auto",
        "format": {Kind.TABLE: "table", Kind.HEATMAP: "heatmap"}.get(panel.kind, "time_series"),
        "instant": instant,
        "range": not instant,
    }


def _defaults(panel: Panel) -> Json:
    steps = [{"color": color, "value": None if index == 0 else at} for index, (at, color) in enumerate(panel.steps)]
    defaults: Json = {
        "unit": panel.unit,
        "color": {"mode": "palette-classic" if panel.kind is Kind.LINES else "thresholds"},
        "thresholds": {"mode": "absolute", "steps": steps},
        "mappings": [],
    }
    if panel.kind in (Kind.LINES, Kind.STAT):
        defaults["min"] = 0
    if panel.max is not None:
        defaults["max"] = panel.max
    if panel.decimals is not None:
        defaults["decimals"] = panel.decimals
    if panel.states:
        options = {
            str(value): {"text": text, "color": color, "index": index}
            for index, (value, text, color) in enumerate(panel.states)
        }
        defaults["mappings"] = [{"type": "value", "options": options}]
    if panel.kind is Kind.LINES:
        defaults["custom"] = {
            "drawStyle": "line",
            "lineWidth": 1,
            "fillOpacity": 20 if panel.stacked else 5,
            "showPoints": "never",
            "spanNulls": False,
            "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
        }
    if panel.kind is Kind.STATES:
        defaults["custom"] = {"fillOpacity": 80, "lineWidth": 0}
    return defaults


def _overrides(panel: Panel) -> list[Json]:
    return [
        {
            "matcher": {"id": "byName", "options": query.legend},
            "properties": [{"id": "unit", "value": unit}],
        }
        for query, unit in zip(panel.queries, panel.units, strict=False)
    ]


def _options(panel: Panel) -> Json:
    if panel.kind is Kind.STAT:
        return {
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "colorMode": "value",
            "graphMode": "area",
            "textMode": "value_and_name" if len(panel.queries) > 1 else "value",
            "orientation": "auto",
            "justifyMode": "auto",
        }
    if panel.kind is Kind.HEATMAP:
        return {
            "calculate": False,
            "color": {"mode": "scheme", "scheme": "Oranges", "steps": 64},
            "cellGap": 1,
            "yAxis": {"unit": panel.unit, "axisPlacement": "left"},
            "tooltip": {"mode": "single", "yHistogram": False},
            "legend": {"show": False},
        }
    if panel.kind is Kind.STATES:
        return {
            "showValue": "auto",
            "mergeValues": True,
            "rowHeight": 0.8,
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": False},
            "tooltip": {"mode": "single", "sort": "none"},
        }
    if panel.kind is Kind.TABLE:
        first = panel.queries[0].legend
        return {"showHeader": True, "cellHeight": "sm", "sortBy": [{"displayName": first, "desc": True}]}
    return {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }


def _columns(panel: Panel) -> list[Json]:
    # One line for each set of labels, with a column from each query.
    names = {f"Value #{reference(index)}": query.legend for index, query in enumerate(panel.queries)}
    return [
        {"id": "merge", "options": {}},
        {"id": "organize", "options": {"excludeByName": {"Time": True}, "indexByName": {}, "renameByName": names}},
    ]
