"""The picture of the dashboard: what is asked of Prometheus for it, and how values are written."""

import json
import math
import threading
import urllib.parse
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from grafana import dashboard
from grafana.answers import Span, instant, over
from grafana.units import text

_ASKED: list[dict[str, str]] = []


class _Prometheus(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        place, _, query = self.path.partition("?")
        _ASKED.append({"place": place, **dict(urllib.parse.parse_qsl(query))})
        values = {"values": [[100, "1"], [110, "3"]]} if place.endswith("query_range") else {"value": [110, "3"]}
        body = json.dumps({"data": {"result": [{"metric": {"queue": "emails"}, **values}]}}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def prometheus() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), _Prometheus)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_span_is_asked_for_with_the_variables_filled_in_and_gaps_are_no_numbers(prometheus: str) -> None:
    query = 'rate(a{job="$job", instance=~"$node", queue=~"$queue"}[$__rate_interval])'
    (series,) = over(prometheus, query, Span(100, 112, 5, "20s"))
    assert _ASKED[-1] == {
        "place": "/api/v1/query_range",
        "query": 'rate(a{job="currant", instance=~".*", queue=~".*"}[20s])',
        "start": "100",
        "end": "110",
        "step": "5",
    }
    assert series.name("{{queue}} {{node}}!") == "emails !"
    assert series.values[0] == 1
    assert math.isnan(series.values[1])
    assert series.values[2] == 3


def test_a_moment_is_asked_for(prometheus: str) -> None:
    assert instant(prometheus, "a", "1m", 110) == [({"queue": "emails"}, 3.0)]
    assert _ASKED[-1] == {"place": "/api/v1/query", "query": "a", "time": "110"}


@pytest.mark.parametrize(
    ("value", "unit", "written"),
    [
        (0.0123, "s", "12.3 ms"),
        (90, "s", "1.5 min"),
        (0, "s", "0 s"),
        (0.5, "percentunit", "50%"),
        (28 * 1024 * 1024, "bytes", "28 MiB"),
        (1500, "short", "1.5 K"),
        (300, "short", "300"),
        (64.12, "cps", "64.1 c/s"),
        (math.nan, "cps", "No data"),
    ],
)
def test_values_are_written_with_their_units(value: float, unit: str, written: str) -> None:
    assert text(value, unit) == written


def test_every_unit_of_the_dashboard_can_be_written() -> None:
    units = {unit for _, panel in dashboard.panels() for unit in (panel.unit, *panel.units)}
    assert units <= {"s", "bytes", "percentunit", "cps", "short"}
