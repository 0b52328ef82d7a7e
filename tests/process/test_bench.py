"""The bench, run as people run it. No speed is asserted: that is the machine's."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from currant.bench import results
from currant.bench.results import Document
from currant.store.embedded import start_throwaway
from tests.nodes import eventually

DEADLINE_S = 120.0


def command(*options: str) -> list[str]:
    return [sys.executable, "-m", "currant", "bench", *options]


def environment(url: str | None = None) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CURRANT_")}
    return clean if url is None else {**clean, "CURRANT_DATABASE_URL": url}


def bench(*options: str, url: str | None = None) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command(*options), env=environment(url), capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )


def running_bench(url: str, *options: str, **extra: str) -> "subprocess.Popen[str]":
    """A bench of one worker that has just begun, and goes on for long unless the options say otherwise."""
    return subprocess.Popen(
        command("--workers", "1", "--jobs", "100000", "--rate", "100", *options),
        env=environment(url) | extra,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def end(bench: "subprocess.Popen[str]") -> None:
    bench.kill()
    bench.communicate()


def document(file: Path) -> Document:
    """What was written, in which every check held."""
    read = results.decode(file.read_bytes())
    assert not read.failed
    for run in (run for section in read.sections for run in section.runs):
        assert run.enqueued == run.completed == run.jobs
        assert run.lost == run.doubled == 0
        assert run.throughput_per_s > 0
    return read


@pytest.fixture(scope="module")
def users_url() -> Iterator[str]:
    """A database of the user's: the bench must leave it as it was."""
    with start_throwaway() as server:
        yield server.url


def schemas(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'currant%'").fetchall()
    return [row[0] for row in rows]


def test_a_backlog_is_set_beside_the_floor_of_the_same_run(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    done = bench("--mode", "capacity", "--workers", "2", "--jobs", "2000", "--json", str(file))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert "throwaway" in done.stdout
    read = document(file)
    assert read.command == ["--mode", "capacity", "--jobs", "2000", "--workers", "2"]
    (section,) = read.sections
    drained, end_to_end = section.runs
    figures, floor = section.figures, drained.floor
    assert floor is not None
    assert floor.after_per_s is not None
    low, high = sorted((floor.before_per_s, floor.after_per_s))
    assert low <= floor.per_s <= high
    assert figures["floor_per_s"] == floor.per_s
    assert figures["ratio_to_floor"] == pytest.approx(figures["throughput_per_s"] / floor.per_s)
    assert figures["end_to_end_ratio"] == pytest.approx(end_to_end.throughput_per_s / floor.per_s)


def test_latency_counts_from_the_intended_moment(tmp_path: Path, users_url: str) -> None:
    file = tmp_path / "figures.json"
    options = ("--rate", "50", "--arrivals", "poisson", "--jobs", "60", "--workers", "1", "--json", str(file))
    done = bench(*options, "--job-type", "sleep", "--sleep-ms", "5", "--queues", "a,b", url=users_url)
    # On a machine that is too slow the rate is not held, and that is said.
    assert done.returncode == 0 or "enqueues a second were asked for" in done.stderr, done.stdout + done.stderr
    assert "schema of its own" in done.stdout
    assert schemas(users_url) == []
    (section,) = results.decode(file.read_bytes()).sections
    (run,) = section.runs
    assert (section.mode, run.completed, run.job, run.queues) == ("steady", 60, "sleep 5 ms", {"a": 0.5, "b": 0.5})
    assert run.start_ms is not None
    assert run.complete_ms is not None
    assert run.start_ms.count == run.complete_ms.count == 54
    assert 0 < run.start_ms.p50 < run.complete_ms.p50
    assert section.figures["complete_p99_ms"] == run.complete_ms.p99


def test_the_duration_ends_a_run_and_what_is_left_is_no_loss(tmp_path: Path, users_url: str) -> None:
    file = tmp_path / "figures.json"
    options = ("--duration", "1s", "--jobs", "2000", "--job-type", "sleep", "--sleep-ms", "500", "--concurrency", "4")
    done = bench("--mode", "capacity", "--workers", "1", *options, "--json", str(file), url=users_url)
    assert done.returncode == 0, done.stdout + done.stderr
    (section,) = results.decode(file.read_bytes()).sections
    for run in section.runs:
        assert 0 < run.completed < run.enqueued
        assert run.lost == 0


def test_one_job_still_gives_figures(tmp_path: Path, users_url: str) -> None:
    file = tmp_path / "figures.json"
    done = bench(
        "--mode", "capacity", "--workers", "1", "--jobs", "1", "--warmup-percent", "99", "--json", str(file),
        url=users_url,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ratio_to_floor" in document(file).sections[0].figures


def test_enqueue_is_set_beside_the_bare_statement_of_the_same_run(tmp_path: Path, users_url: str) -> None:
    file = tmp_path / "figures.json"
    done = bench("--mode", "enqueue", "--jobs", "200", "--enqueuers", "50", "--json", str(file), url=users_url)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    (section,) = document(file).sections
    assert (section.mode, section.runs) == ("enqueue", [])
    assert min(section.figures.values()) > 0
    assert "50 callers at once" in section.answer
    assert schemas(users_url) == []


def test_embedded_leaves_the_users_database_alone(users_url: str) -> None:
    done = bench(
        "--mode", "capacity", "--workers", "1", "--jobs", "50", "--embedded", url="postgresql://localhost:1/none"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "--embedded" in done.stdout


def test_table_is_checked_afterwards(users_url: str) -> None:
    bench = running_bench(users_url, "--jobs", "1000", "--rate", "100")
    try:
        eventually(lambda: nodes(users_url) > 0, DEADLINE_S)
        (schema,) = schemas(users_url)
        with psycopg.connect(users_url, autocommit=True, options=f"-c search_path={schema}") as connection:
            done = "SELECT id FROM executions WHERE status = 'completed' LIMIT 1"
            eventually(lambda: connection.execute(done).fetchone(), DEADLINE_S)
            connection.execute(f"DELETE FROM executions WHERE id = ({done})")
            eventually(lambda: connection.execute(done).fetchone(), DEADLINE_S)
            connection.execute(f"UPDATE executions SET attempt = 2 WHERE id = ({done})")
        out, error = bench.communicate(timeout=DEADLINE_S)
    finally:
        end(bench)
    assert bench.returncode == 1, out + error
    assert "of 1,000 executions 1 were lost and 1 were run more often than needed" in error
    assert error.count("\n") == 1


def test_death_of_currantd_is_reported_with_the_end_of_its_log(users_url: str) -> None:
    bench = running_bench(users_url)
    try:
        eventually(lambda: nodes(users_url) > 0, DEADLINE_S)
        children = Path(f"/proc/{bench.pid}/task/{bench.pid}/children").read_text().split()
        (currantd,) = [int(pid) for pid in children if b"--runtime-dir" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        os.kill(currantd, signal.SIGKILL)
        out, error = bench.communicate(timeout=DEADLINE_S)
    finally:
        end(bench)
    assert (bench.returncode, error) == (1, "currant bench: error: currantd ended by itself, with status -9\n")
    assert "that currantd logged" in out
    assert schemas(users_url) == []


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_takes_everything_down(users_url: str, sign: signal.Signals) -> None:
    bench = running_bench(users_url)
    try:
        eventually(lambda: nodes(users_url) > 0, DEADLINE_S)
        bench.send_signal(sign)
        out, error = bench.communicate(timeout=DEADLINE_S)
    finally:
        end(bench)
    assert bench.returncode == 130, out + error
    assert error == ""
    assert "interrupted" in out
    assert schemas(users_url) == []
    # The server sees a connection's end a moment after the process's.
    eventually(lambda: nodes(users_url) == 0)


def test_killed_bench_leaves_no_currantd(users_url: str) -> None:
    # What a killed process leaves in the temporary folder goes with this one. (Not tmp_path: too long for a socket.)
    with tempfile.TemporaryDirectory() as folder:
        bench = running_bench(users_url, TMPDIR=folder)
        try:
            eventually(lambda: nodes(users_url) > 0, DEADLINE_S)
        finally:
            end(bench)
        eventually(lambda: nodes(users_url) == 0, DEADLINE_S)
    with psycopg.connect(users_url, autocommit=True) as connection:
        for schema in schemas(users_url):
            connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(schema)))


def nodes(url: str) -> int:
    """How many connections of a `currantd` there are, by the server's word."""
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'currantd:%'")
        return int((row.fetchone() or (0,))[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--workers", "0"), "--workers must be an integer from 1 to 1000, got 0"),
        (("--warmup-percent", "100"), "--warmup-percent must be at least 0 and less than 100, got 100"),
        (("--rate", "0"), "--rate must be greater than 0 and at most 1,000,000 jobs a second, got 0"),
        (
            ("--json", "/nowhere/at/all.json"),
            "--json must name a file in a folder that exists, got /nowhere/at/all.json",
        ),
        (("--json", "/"), "--json must name a file, got the folder /"),
        (
            ("--mode", "ramp", "--rate", "10"),
            "--rate is for --mode phases, steady or sweep, and means nothing to ramp",
        ),
        (("--embedded", "--database-url", "postgresql://h/d"), "--embedded and --database-url exclude each other"),
        (
            ("--database-url", "mysql:///x"),
            "the database's address cannot be read: write it as postgresql://user:password@host:5432/database,"
            " with special characters of the password as %XX",
        ),
    ],
)
def test_bad_input_is_refused_in_one_line_before_anything_runs(options: tuple[str, ...], message: str) -> None:
    done = bench(*options)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"currant bench: error: {message}\n")


def test_unreachable_database_is_one_line() -> None:
    done = bench("--database-url", "postgresql://127.0.0.1:1/none")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("currant bench: error: none at 127.0.0.1:1: ")
    assert done.stderr.count("\n") == 1
