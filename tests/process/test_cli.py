"""What people see who make a mistake, and what the commands answer."""

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from currant.store.migrate import VERSION
from currant.supervisor.events import Event
from tests import version_1
from tests.nodes import CURRANTD, JOBS, World, eventually

CURRANT = [sys.executable, "-m", "currant"]
CURRANTCTL = [sys.executable, "-m", "currant.cli.currantctl"]


def _run(command: list[str], *args: str, folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CURRANT_")}
    environment = {**kept, "PYTHONPATH": JOBS, "CURRANT_RUNTIME_DIR": str(folder / "run"), **env}
    return subprocess.run(
        [*command, *args], cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def _refused(command: list[str], *args: str, folder: Path, **env: str) -> str:
    """Runs what must fail; returns the one line that it says."""
    result = _run(command, *args, folder=folder, **env)
    assert result.returncode not in (0, None)
    assert "Traceback" not in result.stderr, result.stderr
    (line,) = result.stderr.splitlines()
    return line


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["--procs", "0"], "currantd: error: --procs must be an integer from 1 to 1000, got 0"),
        (["--concurrency", "-1"], "--concurrency must be an integer from 1 to 4096, got -1"),
        (["--grace", "-1"], "--grace must be a number of at least 0, got -1"),
        (["-q", "a,,b"], "--queues must be names separated by commas, got a,,b"),
        (["-q", "currant:x"], "must not begin with 'currant:'"),
        (["-q", "x" * 64], "a queue's name must have 1 to 63 bytes"),
        (["--crashes-max", "0"], "--crashes-max must be an integer from 1 to 1000, got 0"),
        (["--payload-bytes-max", "1"], "--payload-bytes-max must be an integer from 1024 to 67108864, got 1"),
        (["--heartbeat-timeout", "1"], "--heartbeat-timeout must be a number of at least 6, got 1"),
        (["--log-level", "loud"], "--log-level must be debug, info, warning or error, got loud"),
    ],
)
def test_an_option_that_breaks_its_rule_is_named_with_rule_and_value(
    tmp_path: Path, args: list[str], expected: str
) -> None:
    assert expected in _refused(CURRANTD, "-m", "jobs", *args, folder=tmp_path, CURRANT_DATABASE_URL="postgresql://x")


def test_a_setting_of_the_environment_is_named_as_it_is_there(tmp_path: Path) -> None:
    line = _refused(
        CURRANTD, "-m", "jobs", folder=tmp_path, CURRANT_PROCS="many", CURRANT_DATABASE_URL="postgresql://x"
    )
    assert line == "currantd: error: CURRANT_PROCS must be an integer from 1 to 1000, got many"


def test_without_a_database_both_ways_to_one_are_named(tmp_path: Path) -> None:
    for command in ([*CURRANTD, "-m", "jobs"], [*CURRANT, "migrate"], [*CURRANT, "status", "job_1"]):
        line = _refused(command, folder=tmp_path)
        assert "CURRANT_DATABASE_URL" in line
        assert "--embedded" in line


def test_without_a_module_the_ways_to_name_one_are_said(tmp_path: Path) -> None:
    line = _refused(CURRANTD, folder=tmp_path, CURRANT_DATABASE_URL="postgresql://x")
    for way in ("-m", "CURRANT_MODULES", "[tool.currant]"):
        assert way in line


def test_an_address_that_is_none_is_refused(tmp_path: Path) -> None:
    line = _refused(CURRANTD, "-m", "jobs", folder=tmp_path, CURRANT_DATABASE_URL="mysql://here")
    assert "postgresql://user:password@host:5432/database" in line


def test_an_unknown_module_is_named(tmp_path: Path, url: str) -> None:
    line = _refused(CURRANTD, "-m", "no_such_app", folder=tmp_path, CURRANT_DATABASE_URL=url)
    assert "cannot import no_such_app: no module named 'no_such_app'" in line


def test_a_module_that_fails_is_shown_with_its_traceback(tmp_path: Path, url: str) -> None:
    (tmp_path / "broken.py").write_text("x = 1\nraise RuntimeError('what a day')\n")
    result = _run(CURRANTD, "-m", "broken", folder=tmp_path, CURRANT_DATABASE_URL=url)
    assert result.returncode == 1
    assert "cannot import broken" in result.stderr
    assert "line 2, in <module>" in result.stderr
    assert "RuntimeError: what a day" in result.stderr
    # The user's lines, not ours.
    assert "currant/" not in result.stderr


def test_a_module_without_jobs_is_refused(tmp_path: Path, url: str) -> None:
    (tmp_path / "empty_app.py").write_text("")
    line = _refused(CURRANTD, "-m", "empty_app", folder=tmp_path, CURRANT_DATABASE_URL=url)
    assert "empty_app" in line
    assert "@job" in line


def test_a_missing_schema_says_what_to_run(tmp_path: Path, empty_url: str) -> None:
    for command in ([*CURRANTD, "-m", "jobs"], [*CURRANT, "status", "job_1"]):
        assert "currant migrate" in _refused(command, folder=tmp_path, CURRANT_DATABASE_URL=empty_url)


def test_a_missing_database_is_not_waited_for(tmp_path: Path, url: str) -> None:
    from psycopg import conninfo

    wrong = conninfo.make_conninfo(url, dbname="no_such_database")
    line = _refused(CURRANTD, "-m", "jobs", folder=tmp_path, CURRANT_DATABASE_URL=wrong)
    assert 'database "no_such_database" does not exist' in line


def test_an_unreachable_database_is_waited_for_and_the_log_says_so(world: World, tmp_path: Path) -> None:
    # Bound all the while, so that nobody else comes to listen there.
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        port = deaf.getsockname()[1]
        node = world.start("--procs", "1", CURRANT_DATABASE_URL=f"postgresql://x@127.0.0.1:{port}/x")
        eventually(lambda: "waiting for the database" in node.log)
        assert f"127.0.0.1:{port}" in node.log
        assert node.process.poll() is None
        assert node.stop() == 0


def test_a_second_supervisor_is_refused_by_the_pid_of_the_first(world: World) -> None:
    node = world.node("--procs", "1")
    line = _refused(
        CURRANTD, "-m", "jobs", folder=node.folder, CURRANT_DATABASE_URL=world.url,
        CURRANT_RUNTIME_DIR=str(node.folder / "run"),
    )  # fmt: skip
    assert f"pid {node.process.pid}" in line
    assert node.status().phase == "running"


def test_migrate_says_what_it_did_and_may_be_repeated(tmp_path: Path, empty_url: str) -> None:
    first = _run(CURRANT, "migrate", folder=tmp_path, CURRANT_DATABASE_URL=empty_url)
    assert first.returncode == 0
    assert f"from version 0 to {VERSION}" in first.stdout
    second = _run(CURRANT, "migrate", folder=tmp_path, CURRANT_DATABASE_URL=empty_url)
    assert second.returncode == 0
    assert f"of version {VERSION} already" in second.stdout


def test_migrate_says_before_a_rewrite_how_large_the_table_is(tmp_path: Path, empty_url: str) -> None:
    with psycopg.connect(empty_url, autocommit=True) as connection:
        version_1.make(connection)
        version_1.fill(connection)
    done = _run(CURRANT, "migrate", folder=tmp_path, CURRANT_DATABASE_URL=empty_url)
    said, result = done.stdout.splitlines()
    assert re.search(
        r"version 2 rewrites the table executions \(\d+ kB with its indexes\): it is locked meanwhile", said
    )
    assert f"from version 1 to {VERSION}" in result


def test_migrate_sql_is_a_script_and_nothing_else(tmp_path: Path, empty_url: str) -> None:
    alone = _run(CURRANT, "migrate", "--sql", "--from", "0", folder=tmp_path)
    asked = _run(CURRANT, "migrate", "--sql", folder=tmp_path, CURRANT_DATABASE_URL=empty_url)
    assert (alone.returncode, asked.returncode, asked.stdout) == (0, 0, alone.stdout)
    with psycopg.connect(empty_url, autocommit=True) as connection:
        connection.execute(alone.stdout.encode())
    last = _run(CURRANT, "migrate", "--sql", folder=tmp_path, CURRANT_DATABASE_URL=empty_url)
    assert last.returncode == 0
    assert "nothing to do" in last.stdout
    assert all(not line or line.startswith("-- ") for line in last.stdout.splitlines())


def test_migrate_dry_run_tells_what_would_be_done_and_does_nothing(tmp_path: Path, empty_url: str) -> None:
    def dry_run() -> subprocess.CompletedProcess[str]:
        return _run(CURRANT, "migrate", "--dry-run", folder=tmp_path, CURRANT_DATABASE_URL=empty_url)

    assert "has no schema of Currant's yet" in dry_run().stdout
    with psycopg.connect(empty_url, autocommit=True) as connection:
        version_1.make(connection)
        version_1.fill(connection)
        connection.execute("UPDATE worker_heartbeats SET last_heartbeat = now() WHERE worker_id = 'v1_old'")
        found = dry_run()
        assert found.returncode == 0
        for part in (
            "has the schema's version 1; in one transaction it would get:",
            "  version 2: leases, crashes",
            "version 2 rewrites the table executions",
            "6 running, 6 suspended",
            "stop the version-1 workers first: these sent a heartbeat in the last minute: v1_old",
            "nothing was changed",
        ):
            assert part in found.stdout, found.stdout
        connection.execute("DELETE FROM worker_heartbeats")
        connection.execute("CREATE INDEX executions_ready ON executions (queue)")
        found = dry_run()
        assert found.returncode == 1
        assert "this would fail: the name executions_ready is taken" in found.stdout
        assert "running jobs whose worker is gone: 3; the first currantd runs them again" in found.stdout
        connection.execute("DROP INDEX executions_ready")
    _run(CURRANT, "migrate", folder=tmp_path, CURRANT_DATABASE_URL=empty_url)
    assert "nothing would be done" in dry_run().stdout


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["--sql", "--dry-run"], "--sql and --dry-run exclude each other"),
        (["--from", "1"], "--from is for --sql alone"),
        (["--dry-run", "--from", "1"], "--from is for --sql alone"),
        (["--sql", "--from", "1", "--embedded"], "--from asks no database"),
        (["--sql", "--from", "1", "--database-url", "postgresql://a/b"], "--from asks no database"),
        (["--sql", "--from", "-1"], f"from 0 (an empty schema) to {VERSION}, got -1"),
        (["--sql", "--from", str(VERSION + 1)], f"to {VERSION}, got {VERSION + 1}"),
    ],
)
def test_options_of_migrate_that_do_not_go_together_are_refused(tmp_path: Path, args: list[str], expected: str) -> None:
    done = _run(CURRANT, "migrate", *args, folder=tmp_path, CURRANT_DATABASE_URL="postgresql://nowhere/x")
    assert done.returncode == 2
    assert expected in done.stderr
    assert done.stdout == ""


def test_status_of_one_execution_for_people_and_for_programs(world: World, tmp_path: Path) -> None:
    (id,) = world.enqueue("failing", max_retries=0)
    world.node("--procs", "1")
    world.at_rest()
    people = _run(CURRANT, "status", id, folder=tmp_path, CURRANT_DATABASE_URL=world.url)
    assert people.returncode == 0
    assert "ValueError: this one always fails" in people.stdout
    programs = _run(CURRANT, "status", id, "--json", folder=tmp_path, CURRANT_DATABASE_URL=world.url)
    record = json.loads(programs.stdout)
    assert (record["id"], record["status"], record["attempt"]) == (id, "failed", 1)
    assert "job_nowhere" in _refused(CURRANT, "status", "job_nowhere", folder=tmp_path, CURRANT_DATABASE_URL=world.url)


def test_currantctl_shows_a_table_or_json_or_that_nobody_is_there(world: World, tmp_path: Path) -> None:
    node = world.node("--procs", "2")
    world.enqueue("echo", count=10)
    world.at_rest()
    run = str(node.folder / "run")
    table = _run(CURRANTCTL, "status", "--runtime-dir", run, folder=tmp_path)
    assert table.returncode == 0
    assert node.status().node in table.stdout
    reply = json.loads(_run(CURRANTCTL, "status", "--json", "--runtime-dir", run, folder=tmp_path).stdout)
    assert reply["executions"]["completed"] == 10
    assert len(reply["children"]) == 2
    assert "no currantd runs in" in _refused(CURRANTCTL, "status", folder=tmp_path)


def test_a_configured_project_needs_no_options(world: World) -> None:
    folder = world.folder / "project"
    folder.mkdir()
    (folder / "pyproject.toml").write_text('[tool.currant]\nmodules = ["jobs"]\nqueues = ["test"]\nprocs = 1\n')
    node = world.node(folder=folder, module="")
    world.enqueue("echo")
    assert world.at_rest() == {"completed": 1}
    assert len(node.children()) == 1
    (folder / "pyproject.toml").write_text("[tool.currant]\nworkers = 4\n")
    assert "unknown key: workers" in _refused(CURRANTD, folder=folder, CURRANT_DATABASE_URL=world.url)


def test_an_address_with_a_mistake_is_not_repeated_in_the_error(tmp_path: Path) -> None:
    for url in ("mysql://a:sekret@b/db", "postgresql://a:se kret@b/db", "a:sekret@b"):
        for command in ([*CURRANTD, "-m", "jobs"], [*CURRANT, "migrate"]):
            line = _refused(command, folder=tmp_path, CURRANT_DATABASE_URL=url)
            assert "kret" not in line
            assert "%XX" in line


def test_embedded_and_an_address_on_the_command_line_exclude_each_other(tmp_path: Path) -> None:
    for command in ([*CURRANTD, "-m", "jobs"], [*CURRANT, "migrate"], [*CURRANT, "bench"]):
        line = _refused(command, "--embedded", "--database-url", "postgresql://a/b", folder=tmp_path)
        assert "exclude each other" in line


def test_a_module_is_named_as_import_takes_it(tmp_path: Path) -> None:
    for name in ("./app", "app.py/", "my-app"):
        line = _refused(CURRANTD, "-m", name, folder=tmp_path, CURRANT_DATABASE_URL="postgresql://x")
        assert "app, not app.py or ./app" in line


def test_slips_of_the_pen_are_warned_of(world: World) -> None:
    node = world.node("--procs", "1", "-q", "tset", CURRANT_PROC="7")
    (queues,) = node.told(Event.QUEUES_WITHOUT_JOBS)
    assert queues["queues"] == ["tset"]
    assert "test" in queues["registered"]
    (variable,) = node.told(Event.UNKNOWN_VARIABLE)
    assert (variable["variable"], variable["did_you_mean"]) == ("CURRANT_PROC", "CURRANT_PROCS")


def test_a_failure_for_good_is_told_once_for_many(world: World) -> None:
    world.enqueue("failing", max_retries=0, count=50)
    node = world.node("--procs", "1")
    world.at_rest()
    (fields,) = node.told(Event.FAILED)
    assert (fields["function"], fields["message"]) == ("jobs.failing", "this one always fails")


def test_each_command_tells_its_version(tmp_path: Path) -> None:
    for command in (CURRANTD, CURRANT, CURRANTCTL):
        assert _run(command, "--version", folder=tmp_path).stdout.startswith("Currant ")
