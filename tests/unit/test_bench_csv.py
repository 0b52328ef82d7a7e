"""The table for spreadsheets: a line for each run, and the same columns whatever was measured."""

import csv
import io

from currant.bench.csvs import COLUMNS, rows
from currant.bench.results import Document, Run
from tests.unit.bench_documents import capacity, document, drain, environment, run, steady


def read(shown: Document) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(rows(shown))))


def test_each_run_has_a_line() -> None:
    lines = read(document())
    assert [(line["mode"], line["label"]) for line in lines] == [
        ("capacity", "drain"),
        ("capacity", "saturated"),
        ("steady", "steady"),
    ]


def test_columns_are_the_same_for_every_document() -> None:
    for shown in (document(), document(steady(runs=[])), document(steady(runs=[run(statements=[], series=None)]))):
        assert rows(shown).splitlines()[0] == ",".join(COLUMNS)
    assert len(set(COLUMNS)) == len(COLUMNS)


def test_numbers_are_whole() -> None:
    (line,) = read(document(capacity(runs=[drain(throughput_per_s=41_230.123456789)])))
    assert float(line["throughput_per_s"]) == 41_230.123456789
    assert (line["floor_per_s"], line["checks"], line["checks_failed"]) == ("39600.0", "1", "0")
    (line,) = read(document(steady()))
    assert float(line["complete_p999_ms"]) == 1.52 * 5.4
    assert line["statements_per_job_by_name"].startswith("bench:enqueue=1 currantd:claim=0.233333 ")


def test_what_was_not_measured_is_empty() -> None:
    given = {name: getattr(run(), name) for name in ("label", "workers", "concurrency", "queues", "payload_bytes")}
    given |= dict.fromkeys(("enqueued", "completed", "failed", "retries", "lost", "doubled", "warmup_jobs"), 1)
    bare = Run(**given, job="noop", jobs=None, seconds=1.0, throughput_per_s=1.0)
    (line,) = read(document(steady(runs=[bare]), environment=environment(commit=None)))
    for name in ("jobs", "start_p50_ms", "complete_count", "floor_per_s", "cpu_s_per_1000_postgres", "commit", "extra"):
        assert line[name] == ""


def test_texts_with_commas_stay_in_their_cell() -> None:
    (line,) = read(document(steady(runs=[run('a, "b"\nc')]), command=["--mode", "capacity,steady"]))
    assert line["label"] == 'a, "b"\nc'
    assert line["command"] == "--mode capacity,steady"
