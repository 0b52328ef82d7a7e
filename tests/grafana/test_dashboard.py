"""The dashboard, the rules and the documentation ask for what a node exports, in queries that can be parsed."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from currant.supervisor.metrics.metric import Kind
from currant.supervisor.metrics.table import METRICS
from grafana import dashboard
from tests.grafana.promql import grouped_by, interpolated, selectors

yaml: Any = pytest.importorskip("yaml", reason="pyyaml, of the extra `dev`, is not installed")

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "grafana" / "prometheus"
RUNBOOKS = ROOT / "docs" / "runbooks"
#: What Prometheus gives to every sample.
TARGET = {"job", "instance"}
#: Prometheus' own, and what prometheus-client exports of the supervisor's process.
OTHERS: dict[str, set[str]] = {"up": set(), "ALERTS": {"alertname", "alertstate"}}


def _rules(kind: str) -> list[dict[str, Any]]:
    found = []
    for name in ("currant.recording.yml", "currant.alerts.yml"):
        for group in yaml.safe_load((PROMETHEUS / name).read_text())["groups"]:
            found += [rule for rule in group["rules"] if kind in rule]
    return found


def _series() -> dict[str, set[str]]:
    """Returns the labels of each series that may be asked for, by name."""
    found = {name: set(labels) for name, labels in OTHERS.items()}
    for metric in METRICS.values():
        if metric.kind is Kind.HISTOGRAM:
            found[f"{metric.name}_bucket"] = {*metric.labels, "le"}
            found[f"{metric.name}_sum"] = found[f"{metric.name}_count"] = set(metric.labels)
        else:
            found[metric.name] = set(metric.labels)
    for rule in _rules("record"):
        found[rule["record"]] = grouped_by(rule["expr"])
    return found


def _check(place: str, query: str) -> None:
    known = _series()
    chosen = selectors(interpolated(query))
    assert chosen, f"{place} names no metric: {query}"
    for name, labels in chosen:
        assert name in known, f"{place}: no such metric: {name}"
        assert labels <= known[name] | TARGET, f"{place}: {name} has no label {labels - known[name] - TARGET}"
    at_hand = TARGET.union(*(known[name] for name, _ in chosen))
    assert grouped_by(interpolated(query)) <= at_hand, f"{place}: a label that none of its metrics has: {query}"


def test_the_dashboard_is_what_the_code_says() -> None:
    text = (ROOT / "grafana" / "dashboards" / "currant.json").read_text()
    assert text == dashboard.describe(), "run: python -m grafana.dashboard > grafana/dashboards/currant.json"


def test_every_query_of_the_dashboard_names_what_a_node_exports() -> None:
    for row, panel in dashboard.panels():
        for query in panel.queries:
            _check(f"{row.title} / {panel.title}", query.expr)
    for variable in dashboard.dashboard()["templating"]["list"]:
        if variable["type"] == "query":
            selector = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["definition"])
            assert selector is not None
            _check(variable["name"], f"sum by ({selector[2]}) ({selector[1]})")
    for annotation in dashboard.dashboard()["annotations"]["list"]:
        _check(annotation["name"], annotation["expr"])


def test_every_query_of_the_rules_names_what_a_node_exports() -> None:
    for kind in ("record", "alert"):
        for rule in _rules(kind):
            _check(rule[kind], rule["expr"])


def test_every_query_of_the_metrics_page_can_be_parsed() -> None:
    queries = [metric.query for metric in METRICS.values()]
    assert queries
    for query in queries:
        _check("docs/metrics.md", query)


def test_panels_say_what_they_show_and_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    panels = dashboard.dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
        if panel["type"] != "row":
            assert panel["description"], panel["title"]
            assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
            assert panel["datasource"]["uid"] == "${datasource}"


def test_every_alert_has_a_runbook_and_every_runbook_an_alert() -> None:
    alerts = _rules("alert")
    for alert in alerts:
        assert alert["annotations"]["runbook_url"] == f"docs/runbooks/{alert['alert']}.md"
        assert alert["labels"]["severity"] in ("critical", "warning")
        page = (RUNBOOKS / f"{alert['alert']}.md").read_text()
        assert page.startswith(f"# {alert['alert']}\n")
    pages = {page.stem for page in RUNBOOKS.glob("Currant*.md")}
    assert pages == {alert["alert"] for alert in alerts}


@pytest.mark.parametrize(
    "command",
    [
        ["check", "rules", "currant.recording.yml", "currant.alerts.yml"],
        ["check", "config", "prometheus.yml"],
        ["test", "rules", "currant.test.yml"],
    ],
    ids=" ".join,
)
def test_promtool_takes_the_rules_and_their_tests_pass(command: list[str]) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed: it comes with Debian's package prometheus")
    done = subprocess.run([promtool, *command], cwd=PROMETHEUS, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
