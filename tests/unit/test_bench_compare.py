"""Two documents side by side: no verdict without enough repeats, and what differs beside the code."""

import io
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from rich.console import Console
from typer.testing import CliRunner

from currant.bench import results
from currant.bench.compare import (
    ALIKE,
    BETTER,
    DIFFERENT,
    TOO_FEW,
    WORSE,
    Compared,
    Comparison,
    compare,
    read,
)
from currant.bench.results import Check, Document
from currant.bench.verdicts import show_comparison
from currant.cli import exits, main
from currant.errors import ConfigurationError
from tests.unit.bench_documents import capacity, document, drain, environment, repeated, run, steady


def with_values(name: str, values: list[float]) -> Document:
    return document(repeated(capacity(figures={name: values[0]}), name, values))


def one(name: str, a: list[float], b: list[float]) -> Compared:
    (compared,) = compare(with_values(name, a), with_values(name, b)).figures
    return compared


@pytest.mark.parametrize(
    ("name", "a", "b", "verdict"),
    [
        ("throughput_per_s", [100, 101, 102, 103], [110, 111, 112, 113], BETTER),
        ("throughput_per_s", [110, 111, 112, 113], [100, 101, 102, 103], WORSE),
        ("complete_p99_ms", [100, 101, 102, 103], [110, 111, 112, 113], WORSE),
        ("complete_p99_ms", [110, 111, 112, 113], [100, 101, 102, 103], BETTER),
        ("floor_per_s", [100, 101, 102, 103], [110, 111, 112, 113], DIFFERENT),
        # They overlap in one pair: p is 0.057.
        ("throughput_per_s", [100, 101, 102, 111], [110, 112, 113, 114], ALIKE),
        # Sure, but by less than 1 %.
        ("throughput_per_s", [1000, 1001, 1002, 1003], [1004, 1005, 1006, 1007], ALIKE),
        # Three that do not overlap with three would be as far apart by chance one time in ten.
        ("throughput_per_s", [100, 101, 102], [110, 111, 112], TOO_FEW),
        ("throughput_per_s", [100], [200], TOO_FEW),
        # Five beside three are enough: one time in 28.
        ("throughput_per_s", [100, 101, 102, 103, 104], [110, 111, 112], BETTER),
        ("failures_of_tomorrow", [100, 101, 102, 103], [110, 111, 112, 113], DIFFERENT),
        ("idle_statements_per_s", [0, 0, 0, 0], [1, 1, 1, 1], WORSE),
        ("idle_statements_per_s", [0, 0, 0, 0], [0, 0, 0, 0], ALIKE),
    ],
)
def test_verdicts(name: str, a: list[float], b: list[float], verdict: str) -> None:
    assert one(name, a, b).verdict == verdict


def test_medians_ranges_and_the_ratio_are_of_the_repeats() -> None:
    compared = one("throughput_per_s", [100, 104, 101, 103], [110, 111, 112, 113])
    assert (compared.a.median, compared.a.min, compared.a.max, compared.b.median) == (102, 100, 104, 111.5)
    assert compared.ratio == pytest.approx(111.5 / 102)
    assert compared.p == pytest.approx(2 / 70)
    assert compared.unit == "jobs/s"


def test_a_ratio_to_nothing_is_none() -> None:
    assert one("idle_statements_per_s", [0.0], [1.0]).ratio is None


def test_only_figures_of_both_are_compared() -> None:
    a = document(capacity(figures={"throughput_per_s": 1.0, "floor_per_s": 2.0}), steady())
    b = document(capacity(figures={"throughput_per_s": 1.0}))
    found = compare(a, b)
    assert [(each.mode, each.figure) for each in found.figures] == [("capacity", "throughput_per_s")]
    assert found.warnings == ["only a has the mode steady"]


def test_equal_surroundings_are_no_warning() -> None:
    commit = environment(commit="fedcba9876543210fedcba9876543210fedcba98", load=0.4, memory_bytes=(8 << 30) - 4096)
    command = ["--workers", "4", "--jobs", "10000", "--repeat", "5", "--json=b.json", "--csv", "b.csv"]
    assert compare(document(), document(environment=commit, command=command)).warnings == []


@pytest.mark.parametrize(
    ("changed", "warning"),
    [
        ({"cpu": "Apple M3", "cores": 8}, "another machine: cpu AMD EPYC 7B13 and Apple M3, cores 2 and 8"),
        ({"memory_bytes": 16 << 30}, "another machine: memory 8.6 and 17.2 GB"),
        ({"postgres": "17.1"}, "other versions: postgres 16.4 and 17.1"),
        ({"packages": {"psycopg": "3.3.0", "uvloop": "0.21.0"}}, "other packages: psycopg 3.2.3 and 3.3.0"),
        (
            {"postgres_settings": {"fsync": "off", "shared_buffers": "128MB"}},
            "other settings of Postgres: fsync on and off, synchronous_commit on and none",
        ),
        ({"load": 1.7}, "before b the machine was busy with something else: its load was 1.7"),
    ],
)
def test_another_environment_is_a_warning(changed: dict[str, object], warning: str) -> None:
    assert compare(document(), document(environment=environment(**changed))).warnings == [warning]


def test_other_options_are_a_warning() -> None:
    eight = document(capacity(runs=[drain(workers=8, queues={"a": 0.7, "b": 0.3}), drain("saturated", workers=8)]))
    assert compare(document(capacity()), eight).warnings == [
        "other options: workers 4 and 8, queues bench 1 and a 0.7/b 0.3"
    ]


def test_an_option_that_runs_do_not_tell_is_a_warning() -> None:
    command = ["--workers", "4", "--jobs", "10000", "--claim-batch", "1", "--no-prefetch", "--poll=0.1"]
    assert compare(document(), document(command=command)).warnings == [
        "other options: --claim-batch none and 1, --no-prefetch none and given, --poll none and 0.1"
    ]


def test_an_option_that_is_the_default_is_no_warning() -> None:
    assert compare(document(), document(command=["--embedded"])).warnings == []


def test_a_floor_that_moved_is_a_warning() -> None:
    a, b = (with_values("floor_per_s", values) for values in ([100.0, 101, 102, 103], [110.0, 111, 112, 113]))
    assert compare(a, b).warnings[-1].startswith("the SQL floor differs")


def test_failed_checks_come_first_and_make_b_worse() -> None:
    failed = document(steady(runs=[run(checks=[Check(name="rate held", ok=False, text="only 900 were made")])]))
    found = compare(document(), failed)
    assert found.warnings[0] == "a check of b failed, so that its figures mean nothing: steady: only 900 were made"
    assert found.worse
    assert not compare(failed, document(steady())).worse


def test_worse_is_a_figure_that_is() -> None:
    good, bad = (with_values("throughput_per_s", values) for values in ([110.0, 111, 112, 113], [100.0, 101, 102, 103]))
    assert compare(good, bad).worse
    assert not compare(bad, good).worse


def test_the_json_is_the_comparison() -> None:
    found = compare(document(), document(environment=environment(cores=4)))
    assert msgspec.json.decode(msgspec.json.encode(found), type=Comparison) == found


def printed(found: Comparison) -> str:
    out = io.StringIO()
    show_comparison(found, Console(file=out, width=80, _environ={}))
    return out.getvalue()


def test_people_get_the_warnings_then_each_figure_with_its_range() -> None:
    a, b = (with_values("throughput_per_s", values) for values in ([41e3, 42e3, 43e3, 44e3], [30e3, 31e3, 32e3, 33e3]))
    b.environment = environment(cores=4)
    lines = printed(compare(a, b)).splitlines()
    assert lines[2] == "! another machine: cores 2 and 4"
    assert "  throughput_per_s             42,500        31,500  0.741  worse" in lines
    assert "                        41,000–44,000 30,000–33,000         p 0.029" in lines
    assert lines[-1] == "1 worse"
    assert max(map(len, lines)) <= 80


def test_people_are_told_how_to_get_a_verdict() -> None:
    lines = printed(compare(document(), document())).splitlines()
    assert lines[-1] == "9 too few runs to say: measure both with --repeat 4 or more"
    assert max(map(len, lines)) <= 80


def test_people_are_told_when_there_is_nothing_to_compare() -> None:
    assert "nothing was compared" in printed(compare(document(capacity()), document(steady())))


def test_a_document_that_was_written_is_read(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(results.encode(document()))
    assert read(file) == document()


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"mode,label\n", "is not JSON"),
        (b"[1, 2]", "is no result"),
        (b"{}", "is no result"),
        (b'{"mode": "drain", "jobs": 10, "currant": "0.2.0", "postgres": "16.4"}', "was written by an earlier bench"),
        (b'{"format": 2, "sections": []}', "has format 2; this Currant reads 1"),
        (b'{"format": 1, "sections": []}', "is no result of currant bench --json: Object missing required field"),
        (b'{"format": 1, "sections": 3}', "is no result of currant bench --json: Expected `array`"),
    ],
)
def test_a_file_that_is_no_result_is_one_clear_line(tmp_path: Path, content: bytes, complaint: str) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=complaint) as raised:
        read(file)
    assert str(raised.value).startswith(str(file))
    assert "\n" not in str(raised.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none\.json cannot be read: No such file or directory"):
        read(tmp_path / "none.json")
    with pytest.raises(ConfigurationError, match="cannot be read: Is a directory"):
        read(tmp_path)


def command(tmp_path: Path, a: Document, b: Document, *options: str) -> tuple[int, str]:
    """Returns how `currant bench compare` of the two ended, and what it printed."""
    files = []
    for name, each in (("a.json", a), ("b.json", b)):
        (tmp_path / name).write_bytes(results.encode(each))
        files.append(str(tmp_path / name))
    done = CliRunner().invoke(main.app, ["bench", "compare", *files, *options])
    return done.exit_code, done.output


def test_the_command_fails_for_what_is_worse_when_it_is_asked_to(tmp_path: Path) -> None:
    good, bad = (with_values("throughput_per_s", values) for values in ([110.0, 111, 112, 113], [100.0, 101, 102, 103]))
    assert command(tmp_path, good, bad)[0] == exits.DONE
    code, text = command(tmp_path, good, bad, "--fail-on-worse")
    assert code == exits.FAILED
    assert "1 worse" in text
    assert command(tmp_path, bad, good, "--fail-on-worse")[0] == exits.DONE


def test_the_command_prints_one_json_document_for_programs(tmp_path: Path) -> None:
    code, text = command(tmp_path, document(), document(), "--json")
    assert code == exits.DONE
    assert msgspec.json.decode(text, type=Comparison) == compare(document(), document())


def test_the_command_tells_a_mistake_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "old.json").write_text("{}")
    done = CliRunner().invoke(main.app, ["bench", "compare", str(tmp_path / "old.json"), str(tmp_path / "none.json")])
    assert done.exit_code == exits.USAGE
    assert done.stderr.splitlines() == [
        f"currant bench compare: error: {tmp_path / 'old.json'} is no result (currant bench --json)"
    ]


def test_options_of_the_bench_mean_nothing_to_the_comparison(tmp_path: Path) -> None:
    done = CliRunner().invoke(main.app, ["bench", "--jobs", "10", "compare", "a.json", "b.json"])
    assert done.exit_code == exits.USAGE
    assert "--jobs means nothing to compare" in done.stderr


def test_a_full_disk_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(results.encode(document()))
    call = [sys.executable, "-m", "currant", "bench", "compare", "a.json", "a.json"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            call, cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True, timeout=120, check=False
        )
    assert done.returncode == exits.FAILED
    assert done.stderr.splitlines() == [
        "currant bench compare: error: the output cannot be written: No space left on device"
    ]
