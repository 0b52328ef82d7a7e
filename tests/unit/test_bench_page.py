"""The page of `--report`: one file that loads nothing, and shows everything, whatever names are in it."""

import hashlib
import json
import re
import shutil
import subprocess
from base64 import b64encode
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec
import pytest

from currant.bench.page import page
from currant.bench.results import Bucket, Check, Document, Section
from tests.unit.bench_documents import capacity, document, drain, repeated, run, series, steady, sweep

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


def read(shown: Document) -> Read:
    return Read(page(shown))


def of_modes() -> Document:
    """Returns a document with a section of each mode that has plots of its own."""
    scale = Section(
        mode="scale",
        question="Does it scale?",
        answer="It does.",
        runs=[
            drain(label=f"{workers} workers", workers=workers, throughput_per_s=100.0 * workers)
            for workers in (1, 2, 8)
        ],
        figures={"speed_up": 8.0, "efficiency": 1.0},
    )
    phases = Section(
        mode="phases",
        question="What is each idea worth?",
        answer="Much.",
        runs=[drain(label="all"), drain(label="no prefetch", throughput_per_s=9_000.0)],
        figures={},
    )
    return document(capacity(), steady(), sweep(), scale, ramp("claim of 500: ms"), phases)


def ramp(head: str) -> Section:
    return Section(
        mode="ramp",
        question="Does a claim cost more when more waits?",
        answer="1.05 ×.",
        runs=[],
        figures={"claim_cost_ratio": 1.05},
        head=["pending", head, "pages"],
        rows=[["1,000", "3.90", "1,200"], ["1,000,000", "4.10", "1,210"]],
    )


def test_the_page_shows_the_figures_tables_and_environment() -> None:
    shown = read(of_modes()).text
    for text in (
        "41,230",
        "1.04",
        "1.52\u00a0/\u00a04.10",
        "heartbeat",
        "2,100",
        "1,000,000",
        "fsync",
        "AMD EPYC",
        "3.2.3",
    ):
        assert text in shown
    assert "checks held" in shown


def test_each_run_has_its_plots_and_each_mode_its_own() -> None:
    shown = read(of_modes())
    assert {plot["title"] for plot in shown.plots()} == {
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
    assert [mark["label"] for mark in shown.plot("p99 by rate")["marks"]] == ["knee 8,000/s"]
    assert shown.plot("What a claim costs by backlog")["lines"][0]["ys"] == [3.9, 4.1]
    assert shown.plot("Throughput by workers")["lines"][1]["ys"] == [100, 200, 800]
    drawings = [each for each in shown.all("div") if each.get("class") == "drawing"]
    assert len(drawings) == len(shown.plots())
    assert all(each["aria-label"] for each in drawings)


def test_a_percentile_stands_at_one_over_the_share_that_is_slower() -> None:
    buckets = [Bucket(1.0, 100), Bucket(2.0, 700), Bucket(4.0, 180), Bucket(8.0, 20)]
    plot = read(document(steady(runs=[run(histogram=buckets)]))).plot("Latency by percentile")
    line = dict(zip(plot["xs"], plot["lines"][0]["ys"], strict=True))
    # Within 1 ms a tenth, within 2 ms eight tenths, within 4 ms 49 of 50; p50 and p99 are known as such.
    assert [line[x] for x in (1.111, 5, 50)] == [1, 2, 4]
    assert [line[x] for x in (2, 100)] == [1.52, 4.104]


def test_of_many_children_there_is_a_heat_map_of_bounded_size() -> None:
    shown = read(document(capacity(runs=[drain(workers=100, series=series(2000, children=100))])))
    heat = shown.plot("Utilization per child")
    assert heat["kind"] == "heat"
    assert len(heat["rows"]) == 100
    assert {len(row) for row in heat["rows"].values()} == {len(heat["xs"])}
    assert len(heat["xs"]) <= 120
    assert heat["xs"][-1] == 2000
    assert all(len(plot["xs"]) <= 240 for plot in shown.plots())


def test_an_ordinary_page_is_small() -> None:
    runs = [drain(series=series(240, children=8)), drain(label="saturated", series=series(240, children=8))]
    assert len(page(document(capacity(runs=runs), steady(runs=[run(series=series(240, children=8))])))) < 400_000


def test_failed_checks_come_first() -> None:
    broken = Check("every execution once", False, "of 10,000 executions 3 were lost and 0 doubled")
    shown = read(document(capacity(runs=[drain(), drain(label="saturated", checks=[broken])]), steady()))
    assert "1 of 4 checks failed" in shown.text
    assert shown.text.index("3 were lost") < shown.text.index("Throughput")
    assert [each["role"] for each in shown.all("div") if each.get("class") == "alarm"] == ["alert"]


def test_names_are_shown_as_they_are_and_never_as_markup() -> None:
    named = run(
        HOSTILE, job=HOSTILE, queues={HOSTILE: 1.0}, extra={HOSTILE: 1.0}, checks=[Check(HOSTILE, False, HOSTILE)]
    )
    hostile = Section(
        mode=HOSTILE,
        question=HOSTILE,
        answer=HOSTILE,
        runs=[named],
        figures={HOSTILE: 1.0},
        head=[HOSTILE],
        rows=[[HOSTILE]],
    )
    shown = read(document(hostile, command=["--queues", HOSTILE]))
    assert shown.text.count(HOSTILE) >= 10
    assert len([text for text in shown.scripts if not text.startswith("{")]) == 2
    assert "alert(1)" not in "".join(shown.scripts)
    assert not [key for _, attributes in shown.elements for key in attributes if key.startswith("on")]


def test_every_label_of_a_plot_survives_in_its_data() -> None:
    shown = read(document(ramp(f"{HOSTILE}: ms")))
    assert shown.plot("What a claim costs by backlog")["lines"][0]["label"] == HOSTILE


@pytest.mark.parametrize("sections", [0, 1])
def test_a_document_with_next_to_nothing_has_a_page(sections: int) -> None:
    bare = run(
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
        checks=[],
    )
    whole = document(steady(runs=[bare]))
    shown = read(msgspec.structs.replace(whole, sections=whole.sections[:sections]))
    assert not shown.plots()
    assert "None" not in shown.text


def test_repetitions_are_dots_with_their_median() -> None:
    shown = read(document(repeated(capacity(), "throughput_per_s", [39_000.0, 40_000.0, 42_000.0])))
    words = {each.get("aria-label") for each in shown.all("span")}
    assert "39,000, 40,000, 42,000; median 40,000" in words


def test_the_page_loads_nothing() -> None:
    content = page(of_modes())
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
    assert (folder / "LICENSE").read_text().strip() in page(document()).decode()


CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
#: Opens what is folded up, waits until every plot has a canvas, and leaves in the page how many have something on them.
LOOK = """
document.querySelectorAll("details").forEach(each => { each.open = true; });
const timer = setInterval(() => {
  const canvases = [...document.querySelectorAll(".drawing canvas")];
  if (canvases.length < document.querySelectorAll(".drawing").length) return;
  clearInterval(timer);
  const pixels = each => each.getContext("2d").getImageData(0, 0, each.width, each.height).data;
  const drawn = canvases.filter(each => pixels(each).some(Boolean));
  document.body.dataset.drawn = drawn.length;
}, 100);
"""


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_a_browser_draws_every_plot_and_has_nothing_to_complain_of(tmp_path: Path) -> None:
    assert CHROMIUM is not None
    document = of_modes()
    content = page(document).decode()
    allowed = b64encode(hashlib.sha256(LOOK.encode()).digest()).decode()
    content = content.replace("script-src ", f"script-src &#x27;sha256-{allowed}&#x27; ", 1)
    file = tmp_path / "report.html"
    file.write_text(content.replace("</body>", f"<script>{LOOK}</script></body>"))
    browser = [
        CHROMIUM,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--enable-logging=stderr",
    ]
    browser += [f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=30000", "--dump-dom", file.as_uri()]
    said, made = tmp_path / "said", tmp_path / "made"
    try:
        # Files, no pipes: what the browser starts could keep a pipe open longer than the browser lives.
        with said.open("wb") as errors, made.open("wb") as output:
            code = subprocess.run(browser, stdout=output, stderr=errors, timeout=120).returncode
    except subprocess.TimeoutExpired:
        pytest.skip("Chromium does not come to an end here")
    complaints, dom = (each.read_text(errors="replace") for each in (said, made))
    if code or "</html>" not in dom:
        pytest.skip(f"Chromium does not run here: {complaints[-200:]}")
    assert "CONSOLE" not in complaints
    assert f'data-drawn="{len(Read(page(document)).plots())}"' in dom
