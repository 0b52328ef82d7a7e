"""The page of `--report`: one file that loads nothing, and shows everything, whatever names are in it."""

import hashlib
import json
import re
from html.parser import HTMLParser
from importlib.resources import files
from typing import Any

import msgspec
import pytest

from currant.bench.page import page
from currant.bench.results import Check, Document
from tests.unit.bench_documents import BROKEN, ENVIRONMENT, Sample, run

#: uPlot as it was released: see src/currant/bench/page/uplot/README.md.
RELEASED = {
    "uPlot.iife.min.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
    "uPlot.min.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
    "LICENSE": "8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd",
}
HOSTILE = "q\"'</script><script>alert(1)</script><!-- &amp; \u2028 ]]> ${title} <b>"
VOID = {"meta", "link", "br", "hr"}


class Read(HTMLParser):
    """The page as a browser reads it. Raises AssertionError at an element that is not closed, or not open."""

    def __init__(self, content: bytes) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(content.decode())
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "script":
            self.scripts[-1] += data
        else:
            self.text += data

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.elements if tag == name]

    def plots(self) -> list[dict[str, Any]]:
        return [json.loads(text) for text in self.scripts if text.startswith("{")]

    def plot(self, title: str) -> dict[str, Any]:
        return next(plot for plot in self.plots() if plot["title"] == title)


def read(document: Document) -> Read:
    return Read(page(document))


def test_the_page_shows_the_figures_tables_and_environment() -> None:
    shown = read(Sample().document()).text
    for text in (
        "4,000",
        "1.03",
        "Throughput",
        "1.50 / 5.00",
        "claim",
        "1,000,000",
        "fsync",
        "A CPU",
        "3.2.9",
        "0123456789",
    ):
        assert text in shown
    assert "All 9 checks held" in shown


def test_each_run_has_its_plots_and_each_mode_its_own() -> None:
    shown = read(Sample().document())
    titles = {plot["title"] for plot in shown.plots()}
    assert titles == {
        "Throughput over time",
        "Time in the backlog over time",
        "Time in the backlog by percentile",
        "Time in the backlog: how many took how long",
        "Latency over time",
        "Latency by percentile",
        "Latency: how many took how long",
        "In flight",
        "Utilization per child",
        "Statements per second",
        "p99 by rate",
        "Throughput by workers",
        "What a claim costs by backlog",
    }
    assert shown.plot("Throughput over time")["lines"][1]["label"] == "SQL floor"
    assert {mark["label"] for mark in shown.plot("p99 by rate")["marks"]} == {"knee 1,000/s", "limit 10.0 ms"}
    assert shown.plot("What a claim costs by backlog")["lines"][0]["ys"] == [3.9, 4.1]
    assert shown.plot("Throughput by workers")["lines"][1]["ys"] == [4000, 8000, 32000]
    for figure in shown.all("div"):
        if figure.get("class") == "drawing":
            assert figure["aria-label"]


def test_a_percentile_stands_at_one_over_what_is_slower() -> None:
    plot = read(Sample().document()).plot("Latency by percentile")
    line = dict(zip(plot["xs"], plot["lines"][0]["ys"], strict=True))
    # Of 1,000: 100 within 1 ms, 800 within 2 ms, 980 within 4 ms, 998 within 8 ms.
    assert [line[x] for x in (1.111, 5, 50, 500, 1000)] == [1, 2, 4, 8, 16]


def test_of_many_children_there_is_a_heat_map_of_bounded_size() -> None:
    many = run("drain", workers=100, parts=2000)
    shown = read(Sample(runs=[many]).document())
    heat = next(plot for plot in shown.plots() if plot.get("kind") == "heat" and len(plot["rows"]) == 100)
    assert {len(row) for row in heat["rows"].values()} == {len(heat["xs"])}
    assert len(heat["xs"]) <= 120
    assert heat["xs"][-1] == 500
    assert all(len(plot["xs"]) <= 240 for plot in shown.plots())


def test_an_ordinary_page_is_small() -> None:
    runs = [run("drain", workers=8, parts=240), run("enqueued and run", workers=8, parts=240)]
    assert len(page(Sample(runs=runs).document())) < 400_000


def test_failed_checks_come_first() -> None:
    shown = read(Sample(runs=[run("drain"), run("end to end", checks=[BROKEN])]).document())
    assert "1 of 10 checks failed" in shown.text
    assert shown.text.index("of 1,000 executions 3 were lost") < shown.text.index("Throughput")
    assert [each["role"] for each in shown.all("div") if each.get("class") == "alarm"] == ["alert"]


def test_names_are_shown_as_they_are_and_never_as_markup() -> None:
    hostile = run(
        HOSTILE,
        job=HOSTILE,
        queues={HOSTILE: 1.0},
        extra={HOSTILE: 1.0},
        checks=[Check(HOSTILE, False, HOSTILE)],
        rate_per_s=1000.0,
    )
    document = Sample(runs=[hostile], command=["--queues", HOSTILE]).document()
    section = document.sections[0]
    named = msgspec.structs.replace(
        section,
        answer=HOSTILE,
        question=HOSTILE,
        mode=HOSTILE,
        figures={HOSTILE: 1.0},
        head=[HOSTILE],
        rows=[[HOSTILE]],
    )
    shown = read(msgspec.structs.replace(document, sections=[named]))
    assert HOSTILE in shown.text
    assert len([text for text in shown.scripts if not text.startswith("{")]) == 2
    assert all(not key.startswith("on") for _, attributes in shown.elements for key in attributes)


def test_every_label_of_a_plot_survives_in_json() -> None:
    document = Sample().document()
    odd = msgspec.structs.replace(document.sections[4], head=["pending", f"{HOSTILE}: ms", "pages"])
    shown = read(msgspec.structs.replace(document, sections=[odd]))
    assert shown.plot("What a claim costs by backlog")["lines"][0]["label"] == HOSTILE


@pytest.mark.parametrize("sections", [0, 1])
def test_a_document_with_next_to_nothing_has_a_page(sections: int) -> None:
    bare = run(
        "bare",
        throughput_spread=None,
        start_ms=None,
        complete_ms=None,
        histogram=[],
        children=[],
        utilization=None,
        statements=[],
        server_transactions=None,
        wal_bytes_per_job=None,
        cpu_s_per_1000=None,
        memory=None,
        series=None,
        floor=None,
        checks=[],
    )
    document = Sample(runs=[bare]).document()
    shown = read(msgspec.structs.replace(document, sections=document.sections[:sections]))
    assert not shown.plots()
    assert "—" not in shown.text


def test_repetitions_are_dots_with_their_median() -> None:
    values = [{"throughput_per_s": value} for value in (3900.0, 4000.0, 4200.0)]
    shown = read(Sample(repeats=values).document())
    assert len([each for each in shown.all("i") if each.get("class") == "dot"]) == 3
    assert "3,900, 4,000, 4,200; median 4,000" in {each.get("aria-label") for each in shown.all("span")}


def test_the_page_loads_nothing() -> None:
    content = page(Sample().document())
    shown = Read(content)
    policy = next(each["content"] for each in shown.all("meta") if "http-equiv" in each)
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    assert not [attributes for _, attributes in shown.elements if "src" in attributes]
    assert {each["href"] for each in shown.all("link")} == {"data:,"}
    assert all(str(each["href"]).startswith("#") for each in shown.all("a"))
    assert not re.search(rb"url\(|@import|fetch\(|XMLHttpRequest", content)


def test_uplot_is_as_it_was_released_and_its_licence_comes_along() -> None:
    folder = files("currant.bench.page") / "uplot"
    assert {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in RELEASED} == RELEASED
    assert (folder / "LICENSE").read_text().strip() in page(Sample().document()).decode()
    assert ENVIRONMENT.currant in page(Sample().document()).decode()
