"""The commands of `currant` over executions, queues, dead letters and schedules: for people and for programs."""

import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from currant.store import migrate
from tests.nodes import CURRANTD, JOBS, World, eventually
from tests.process.test_cli import CURRANT, CURRANTCTL, _run

ASKING = [
    ["status", "job_1"],
    ["list"],
    ["cancel", "job_1"],
    ["retry", "job_1"],
    ["queues"],
    ["schedules"],
    ["schedules", "remove", "app.f"],
    ["dead", "list"],
    ["dead", "show", "job_1"],
    ["dead", "retry", "--all"],
    ["dead", "purge", "--all", "--yes"],
    ["enqueue", "jobs.echo"],
]


class Shell:
    """Runs `currant` in a folder, against a database."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url

    def run(self, *args: str, code: int = 0, **env: str) -> subprocess.CompletedProcess[str]:
        result = _run(CURRANT, *args, folder=self.folder, **{"CURRANT_DATABASE_URL": self.url, **env})
        assert result.returncode == code, result.stderr
        assert "Traceback" not in result.stderr, result.stderr
        return result

    def says(self, *args: str, code: int = 0, **env: str) -> str:
        return self.run(*args, code=code, **env).stdout

    def json(self, *args: str, code: int = 0) -> Any:
        """Returns the one document that is all of the output."""
        return json.loads(self.says(*args, "--json", code=code))

    def refused(self, *args: str, code: int = 2) -> str:
        result = self.run(*args, code=code)
        (line,) = result.stderr.splitlines()
        assert result.stdout == ""
        return line

    def popen(self, *args: str, **how: Any) -> subprocess.Popen[bytes]:
        env = {**os.environ, "PYTHONPATH": JOBS, "CURRANT_DATABASE_URL": self.url, **how.pop("env", {})}
        return subprocess.Popen([*CURRANT, *args], cwd=self.folder, env=env, stderr=subprocess.PIPE, **how)

    def on_a_terminal(self, *args: str, answer: str = "", **env: str) -> tuple[int, str]:
        """Runs it on a terminal of 100 columns; returns the exit code and all that was shown."""
        ours, theirs = pty.openpty()
        sized = {"TERM": "xterm-256color", "COLUMNS": "100", **env}
        process = self.popen(*args, stdin=theirs, stdout=theirs, env=sized)
        os.close(theirs)
        os.write(ours, answer.encode())
        shown = b""
        while select.select([ours], [], [], 30)[0]:
            try:
                shown += os.read(ours, 4096)
            except OSError:  # the other end is closed: Linux's way to say so
                break
        assert process.stderr is not None
        said = process.stderr.read()
        os.close(ours)
        return process.wait(60), (shown + said).decode()


@pytest.fixture
def shell(tmp_path: Path, url: str) -> Shell:
    return Shell(tmp_path, url)


def failed(world: World, count: int = 1) -> list[str]:
    """Lets executions fail for good, and ends the node."""
    ids = world.enqueue("failing", max_retries=0, count=count)
    node = world.node("--procs", "1")
    world.at_rest()
    node.stop()
    return ids


def test_enqueue_prints_the_id_of_what_it_made(world: World, shell: Shell) -> None:
    (id,) = shell.says("enqueue", "jobs.echo", "--args", '[{"a": [1, null, "ü"]}]').split()
    row = world.row(id)
    assert (row["function_name"], row["queue"], row["args"]) == ("jobs.echo", "test", [{"a": [1, None, "ü"]}])
    assert (row["status"], row["max_retries"], row["priority"]) == ("pending", 3, 5)


def test_enqueue_takes_what_a_job_has_options_for(world: World, shell: Shell) -> None:
    id = shell.json(
        "enqueue", "jobs.sleeper", "--kwargs", '{"seconds": 1}', "-q", "other", "--priority", "-3", "--retries", "7",
        "--timeout", "1.5", "--delay", "2h", "--unique", "key", "--unique-for", "1d",
    )["id"]  # fmt: skip
    row = world.row(id)
    assert (row["queue"], row["priority"], row["max_retries"], row["timeout_seconds"]) == ("other", -3, 7, 2)
    assert (row["status"], row["unique_key"], row["options"]["timeout"]) == ("scheduled", "key", 1.5)
    assert (row["run_at"] - row["created_at"]).total_seconds() == 7200
    assert (row["unique_until"] - row["created_at"]).total_seconds() == 86_400
    moment = shell.json("enqueue", "jobs.echo", "--run-at", "2099-01-31T09:00:00+01:00")["id"]
    assert world.row(moment)["run_at"].timestamp() == 4_073_529_600


def test_enqueue_with_a_key_that_is_held_prints_the_holder_and_says_so(world: World, shell: Shell) -> None:
    first = shell.json("enqueue", "jobs.echo", "--unique", "k")
    assert first["first"] is True
    second = shell.run("enqueue", "jobs.echo", "--unique", "k")
    assert second.stdout.split() == [first["id"]]
    assert "was there before" in second.stderr
    assert shell.json("enqueue", "jobs.echo", "--unique", "k") == {**first, "first": False}
    assert sum(world.states().values()) == 1


def test_enqueue_waits_for_the_result_and_its_exit_code_tells_the_end(world: World, shell: Shell) -> None:
    world.node("--procs", "1")
    id, result = shell.says("enqueue", "jobs.echo", "--args", '[{"a": 1}]', "--wait").splitlines()
    assert world.row(id)["status"] == "completed"
    assert json.loads(result) == {"a": 1}
    failing = shell.run("enqueue", "jobs.failing", "--retries", "0", "--wait", code=3)
    assert "failed with ValueError: this one always fails" in failing.stderr
    document = shell.json("enqueue", "jobs.failing", "--retries", "0", "--wait", code=3)
    assert (document["status"], document["error"]["type"]) == ("failed", "ValueError")
    late = shell.run("enqueue", "jobs.sleeper", "--args", "[60]", "--wait-for", "0.2", code=4)
    assert "has not ended within 0.2 s; it goes on" in late.stderr
    assert shell.json("enqueue", "jobs.sleeper", "--args", "[60]", "--wait-for", "0.2", code=4)["status"] is None


def test_what_a_module_prints_is_no_part_of_the_answer(shell: Shell) -> None:
    (shell.folder / "loud.py").write_text(
        "print('loud at import')\nfrom currant import job\n@job\ndef f() -> None: ...\n"
        "@job(name='short')\ndef g() -> None: ...\n"
    )
    result = shell.run("enqueue", "loud.f")
    assert "loud" not in result.stdout
    assert "loud at import" in result.stderr
    # A name that is no path of a module needs the module: by -m, or by the project's settings.
    assert "-m" in shell.refused("enqueue", "short")
    assert shell.says("enqueue", "short", "-m", "loud").startswith("job_")
    (shell.folder / "pyproject.toml").write_text('[tool.currant]\nmodules = ["loud"]\n')
    assert shell.says("enqueue", "short").startswith("job_")


def test_enqueue_shows_where_a_module_fails(shell: Shell) -> None:
    (shell.folder / "broken.py").write_text("x = 1\nraise RuntimeError('what a day')\n")
    result = _run(CURRANT, "enqueue", "broken.f", folder=shell.folder, CURRANT_DATABASE_URL=shell.url)
    assert result.returncode == 1
    assert "cannot import broken" in result.stderr
    assert "line 2, in <module>" in result.stderr
    assert "currant/" not in result.stderr


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["jobs.echo", "--args", "[1, "], "is no JSON: Expecting value at character 5, after '[1, ', where it ends"),
        (["jobs.echo", "--args", "[1,\n x]"], "at line 2, column 2, before 'x]'"),
        (["jobs.echo", "--args", '{"a": 1}'], "--args must be an array"),
        (["jobs.echo", "--kwargs", "[]"], "--kwargs must be an object"),
        (["jobs.echo", "--args", "[1, 2]"], "jobs.echo(value: Any = None) -> Any: too many positional arguments"),
        (["jobs.sleeper"], "missing a required argument: 'seconds'"),
        (["jobs.sleeper", "--args", '["x"]'], "jobs.sleeper: argument `seconds`: Expected `float`, got `str`"),
        (["jobs.echo", "--kwargs", '{"valeu": 1}'], "got an unexpected keyword argument 'valeu'"),
        (["jobs.ecoh"], "no function is registered as jobs.ecoh: did you mean jobs.echo?"),
        (["no_module.f"], "no function is registered as no_module.f"),
        (["jobs.echo", "--retries", "-1"], "retries must be an integer from 0 to 2147483647, got -1"),
        (["jobs.echo", "--timeout", "0"], "timeout must be a number of seconds greater than 0"),
        (["jobs.echo", "--delay", "soon"], "'--delay': must be seconds, or a number with s, min, h, d or w"),
        (["jobs.echo", "--run-at", "2030-01-01T00:00"], "'--run-at': must be a moment with its time zone"),
        (["jobs.echo", "--delay", "1", "--run-at", "2030-01-01T00:00Z"], "--delay and --run-at exclude each other"),
        (["jobs.echo", "--unique-for", "1"], "--unique-for needs a key: give --unique as well"),
        (["jobs.echo", "-q", "currant:x"], "must not begin with 'currant:'"),
        (["jobs.echo", "--args", "[NaN]"], "args"),
        (["jobs.echo", "--args", '["\\u0000"]'], "NUL"),
    ],
)  # fmt: skip
def test_a_mistake_in_an_enqueue_is_told_before_anything_is_written(
    world: World, shell: Shell, args: list[str], expected: str
) -> None:
    line = shell.refused("enqueue", *args)
    assert line.startswith("currant: error: ")
    assert expected in line
    assert not world.states()


def test_arguments_are_no_larger_than_they_may_be(shell: Shell) -> None:
    big = json.dumps(["x" * 2_000])
    result = shell.run("enqueue", "jobs.echo", "--args", big, code=2, CURRANT_PAYLOAD_BYTES_MAX="1024")
    assert "CURRANT_PAYLOAD_BYTES_MAX" in result.stderr


def test_list_shows_a_line_for_each_and_programs_get_an_array(world: World, shell: Shell) -> None:
    ids = world.enqueue("echo", count=3)
    (other,) = world.enqueue("elsewhere", queue="other")
    lines = shell.says("list").splitlines()
    assert [line.split()[0] for line in lines[2:]] == [other, *ids[::-1]]
    assert "pending" in lines[2]
    assert "ago" in lines[2]
    documents = shell.json("list", "--queue", "test", "--limit", "2")
    assert [each["id"] for each in documents] == ids[:0:-1]
    assert (documents[0]["function"], documents[0]["status"]) == ("jobs.echo", "pending")
    assert [each["id"] for each in shell.json("list", "-f", "jobs.else*", "-s", "pending", "-s", "failed")] == [other]
    assert shell.json("list", "--status", "failed") == []
    assert shell.says("list", "--status", "failed").strip() == "no execution to show"


def test_list_says_when_it_did_not_look_at_all(world: World, shell: Shell) -> None:
    world.enqueue("echo", count=1_001)
    result = shell.run("list", "--queue", "nowhere", "--within", "0", code=4)
    assert "0 found among the newest 1,000, and not 50, within 0 s" in result.stderr
    assert "--within" in result.stderr


def test_what_others_wrote_cannot_steer_the_terminal(world: World, shell: Shell) -> None:
    world.enqueue("evil.\x1b]0;title\x07[bold]name")
    shown = shell.says("list")
    assert "\\x1b]0;title\\x07[bold]name" in shown
    assert "\x1b" not in shown


def test_cancel_says_what_became_of_each(world: World, shell: Shell) -> None:
    waiting, again = world.enqueue("echo", count=2, queue="nobody")
    (running,) = world.enqueue("sleeper", 60)
    world.node("--procs", "1")
    eventually(lambda: world.row(running)["status"] == "running")
    result = shell.run("cancel", waiting, "job_nowhere", running, code=1)
    told, asked = result.stdout.splitlines()
    assert told == f"{waiting} cancelled"
    # Its node may be as quick as the command.
    assert asked in (f"{running} runs: asked to end", f"{running} cancelled")
    assert result.stderr == "currant: job_nowhere: no execution has this id\n"
    assert world.row(waiting)["status"] == "cancelled"
    eventually(lambda: world.row(running)["status"] == "cancelled")
    assert shell.json("cancel", again) == [{"id": again, "cancelled": True, "status": "cancelled", "reason": None}]
    (refused,) = shell.json("cancel", again, code=1)
    assert (refused["cancelled"], refused["reason"]) == (False, "it is cancelled already")
    assert "cancel_requested_at" in shell.says("status", running)


def test_retry_runs_what_failed_and_refuses_the_rest(world: World, shell: Shell) -> None:
    (id,) = failed(world)
    (waiting,) = world.enqueue("echo", queue="nobody")
    result = shell.run("retry", id, waiting, "job_nowhere", code=1)
    assert result.stdout == f"{id} is pending again\n"
    assert f"{waiting}: pending: only failed and cancelled executions can be retried" in result.stderr
    assert "job_nowhere: no execution has this id" in result.stderr
    row = world.row(id)
    assert (row["status"], row["attempt"], row["lease"]) == ("pending", 0, 1)
    assert world.rows("SELECT count(*) FROM dead_letter_queue") == [(0,)]
    node = world.node("--procs", "1")
    eventually(lambda: world.row(id)["status"] == "failed")
    node.stop()
    assert [run.lease for run in world.runs()] == [1, 2]
    assert shell.json("retry", id) == [{"id": id, "status": "failed", "type": "job", "retried": True, "reason": None}]


def test_dead_letters_are_listed_shown_retried_and_purged(world: World, shell: Shell) -> None:
    first, second, third = failed(world, 3)
    shown = shell.says("dead", "list")
    assert all(each in shown for each in (first, second, third, "jobs.failing", "ValueError", "ago"))
    assert len(shell.json("dead", "list", "--limit", "2", "-f", "jobs.*", "-q", "test")) == 2
    assert shell.json("dead", "list", "-f", "other") == []
    assert "ValueError: this one always fails" in shell.says("dead", "show", first)
    (letter,) = shell.json("dead", "show", first)
    assert (letter["execution_id"], letter["execution"]["status"]) == (first, "failed")
    assert "no dead letter has the id job_x" in shell.refused("dead", "show", "job_x", code=1)

    assert shell.says("dead", "retry", letter["id"]) == f"{first} is pending again\n"
    assert "no dead letter has this id" in shell.refused("dead", "retry", first, code=1)
    assert shell.says("dead", "purge", second) == "deleted 1 dead letters\n"
    assert world.row(second)["status"] == "failed"
    assert shell.json("dead", "retry", "--function", "jobs.failing") == {"retried": 1, "refused": {}}
    assert world.row(third)["status"] == "pending"
    assert shell.says("dead", "list") == "no dead letter is like that\n"


def test_all_dead_letters_are_retried_but_those_whose_executions_are_gone(world: World, shell: Shell) -> None:
    gone, *others = failed(world, 4)
    world.rows("DELETE FROM executions WHERE id = %s RETURNING 1", gone)
    result = shell.run("dead", "retry", "--all", code=1)
    assert result.stdout == "retried 3 executions\n"
    assert "1 dead letters stay: their executions are not there any more" in result.stderr
    assert world.rows("SELECT execution_id FROM dead_letter_queue") == [(gone,)]
    assert {world.row(id)["status"] for id in others} == {"pending"}


def test_a_purge_asks_on_a_terminal_and_needs_a_yes_elsewhere(world: World, shell: Shell) -> None:
    old, _ = failed(world, 2)
    world.rows(
        "UPDATE dead_letter_queue SET failed_at = now() - interval '40 d' WHERE execution_id = %s RETURNING 1", old
    )
    assert "--yes" in shell.refused("dead", "purge", "--all")
    assert "which dead letters are meant" in shell.refused("dead", "purge", "--yes")
    assert "which dead letters are meant" in shell.refused("dead", "purge", "--all", "--older-than", "1d", "--yes")
    code, shown = shell.on_a_terminal("dead", "purge", "--all", answer="n\n")
    assert code == 1
    assert "Delete all dead letters?" in shown
    assert world.rows("SELECT count(*) FROM dead_letter_queue") == [(2,)]
    assert shell.json("dead", "purge", "--older-than", "30d", "--yes") == {"deleted": 1}
    code, shown = shell.on_a_terminal("dead", "purge", "--all", answer="y\n")
    assert code == 0
    assert "deleted 1 dead letters" in shown


def test_queues_show_what_waits_and_who_serves_it(world: World, shell: Shell) -> None:
    world.enqueue("echo", count=3, queue="nobody")
    world.enqueue("echo", delay_s=3600, queue="nobody")
    world.node("--procs", "1", "-q", "test")
    nobody, test = shell.json("queues")
    assert (nobody["name"], nobody["pending"], nobody["scheduled"], nobody["nodes"]) == ("nobody", 3, 1, [])
    assert nobody["oldest_pending_at"] is not None
    assert (test["name"], test["pending"], len(test["nodes"])) == ("test", 0, 1)
    shown = shell.says("queues")
    assert test["nodes"][0] in shown
    assert "none" in shown


def test_schedules_are_listed_and_removed(world: World, shell: Shell) -> None:
    assert "no function has a schedule" in shell.says("schedules")
    world.rows(
        "INSERT INTO schedules (function_name, cron, timezone, queue, next_run_at)"
        " VALUES ('app.nightly', '0 3 * * *', 'Europe/Vienna', 'q', '2099-01-01T02:00Z') RETURNING 1"
    )
    (schedule,) = shell.json("schedules")
    assert (schedule["function"], schedule["cron"], schedule["timezone"]) == (
        "app.nightly",
        "0 3 * * *",
        "Europe/Vienna",
    )
    assert "2099-01-01 02:00:00Z (in " in shell.says("schedules")
    assert shell.says("schedules", "remove", "app.nightly") == "removed the schedule of app.nightly\n"
    assert "no schedule is of the function app.nightly" in shell.refused("schedules", "remove", "app.nightly", code=1)


@pytest.mark.parametrize("args", ASKING, ids=[" ".join(args[:2]) for args in ASKING])
def test_a_database_that_cannot_be_used_is_told_in_one_line(tmp_path: Path, empty_url: str, args: list[str]) -> None:
    assert "currant migrate" in Shell(tmp_path, empty_url).refused(*args, code=1)
    # Bound all the while, so that nobody else comes to listen there.
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        port = deaf.getsockname()[1]
        line = Shell(tmp_path, f"postgresql://x@127.0.0.1:{port}/x").refused(*args, code=1)
    assert f"127.0.0.1:{port}" in line


def test_an_older_and_a_newer_schema_are_told_apart(world: World, shell: Shell) -> None:
    world.rows("DELETE FROM schema_migrations WHERE version > 1 RETURNING 1")
    assert "of version 1" in shell.refused("list", code=1)
    assert "currant migrate" in shell.refused("list", code=1)
    world.rows("INSERT INTO schema_migrations (version) VALUES (%s) RETURNING 1", migrate.VERSION + 1)
    assert "upgrade Currant" in shell.refused("list", code=1)


def test_a_mistake_in_the_call_is_one_line_with_exit_code_2(shell: Shell) -> None:
    for args, expected in (
        (["lst"], "No such command 'lst'"),
        (["list", "--sttus", "x"], "No such option"),
        (["list", "--status", "lost"], "'lost' is not one of 'pending'"),
        (["list", "--limit", "0"], "must be an integer from 1 to 100000, got 0"),
        (["status"], "Missing argument"),
        (["status", "\udcff"], "in UTF-8"),
    ):
        line = shell.refused(*args)
        assert line.startswith("currant: error: ")
        assert expected in line
        assert "--help says more" in line


def test_nobody_who_reads_on_is_no_trouble(world: World, shell: Shell) -> None:
    world.enqueue("echo", count=2_000)
    for args in (["list", "-n", "2000"], ["list", "-n", "2000", "--json"], ["queues"], ["list", "--help"]):
        ours, theirs = os.pipe()
        os.close(ours)
        process = shell.popen(*args, stdout=theirs)
        os.close(theirs)
        _, said = process.communicate(timeout=60)
        assert said == b""
        assert process.returncode in (1, 141)


def test_an_output_that_cannot_be_written_is_told_in_one_line(world: World, shell: Shell) -> None:
    world.enqueue("echo", count=2)
    with Path("/dev/full").open("wb") as full:
        process = shell.popen("list", stdout=full)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert said == b"currant: error: the output cannot be written: No space left on device\n"


def test_closed_streams_and_old_terminals_are_no_trouble(world: World, shell: Shell) -> None:
    world.enqueue("ümlaut")
    assert "\\xfcmlaut" in shell.says("list", PYTHONIOENCODING="ascii")
    closed = " ".join([*CURRANT, "dead", "purge", "--all", "<&-"])
    process = subprocess.run(
        ["bash", "-c", f"{closed}; echo $? >&2; {' '.join([*CURRANT, 'list'])} >&-; echo $? >&2"],
        env={**os.environ, "CURRANT_DATABASE_URL": shell.url}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    refused, *codes = process.stderr.splitlines()
    assert "--yes" in refused
    assert codes == ["2", "0"]


def test_an_interrupt_ends_a_wait_in_one_line(world: World, shell: Shell) -> None:
    process = shell.popen("enqueue", "jobs.echo", "--wait", stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline().startswith(b"job_")
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said == b"currant: interrupted\n"


def test_colours_are_for_terminals_that_want_them(world: World, shell: Shell) -> None:
    failed(world)
    colour = re.compile("\x1b\\[[0-9;]*3[0-9]m")
    assert "\x1b" not in shell.says("list")
    code, shown = shell.on_a_terminal("list")
    assert code == 0
    assert colour.search(shown)
    _, plain = shell.on_a_terminal("list", NO_COLOR="1")
    assert not colour.search(plain)


def test_completion_offers_the_states_and_asks_no_database(tmp_path: Path) -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        listening.setblocking(False)
        asked = {
            "CURRANT_DATABASE_URL": f"postgresql://x@127.0.0.1:{listening.getsockname()[1]}/x",
            "_CURRANT_COMPLETE": "complete_bash",
            "COMP_WORDS": "currant list --status ",
            "COMP_CWORD": "3",
        }
        offered = _run(CURRANT, folder=tmp_path, **asked).stdout.split()
        assert {"pending", "scheduled", "failed"} <= set(offered)
        with pytest.raises(BlockingIOError):
            listening.accept()
    for command, name in ((CURRANT, "CURRANT"), (CURRANTD, "CURRANTD"), (CURRANTCTL, "CURRANTCTL")):
        script = _run(command, folder=tmp_path, **{f"_{name}_COMPLETE": "source_bash"}).stdout
        assert f"_{name}_COMPLETE=complete_bash" in script
        assert "complete " in script


def test_every_help_fits_80_columns_and_tells_the_exit_codes(tmp_path: Path) -> None:
    commands = [[*CURRANTD], [*CURRANTCTL, "status"], *([*CURRANT, *args[:1]] for args in ASKING)]
    for command in commands:
        shown = _run([*command, "--help"], folder=tmp_path).stdout
        assert "Exit codes: 0" in shown
        assert max(map(len, shown.splitlines())) <= 80
        assert shown.isprintable() or shown.replace("\n", "").isprintable()


def test_more_dead_letters_than_a_piece_are_all_retried(world: World, shell: Shell) -> None:
    world.rows(
        "WITH made AS (INSERT INTO executions (id, type, function_name, queue, status, lease)"
        " SELECT 'job_' || lpad(n::text, 32, '0'), 'job', 'app.f', 'q', 'failed', 1 FROM generate_series(1, 2500) AS n"
        " RETURNING *) INSERT INTO dead_letter_queue (id, execution_id, execution_data, failure_reason)"
        " SELECT 'dead_' || id || '_1', id, to_jsonb(made), 'r' FROM made RETURNING 1"
    )
    assert shell.json("dead", "retry", "--all") == {"retried": 2500, "refused": {}}
    assert world.states() == {"pending": 2500}
    assert world.rows("SELECT count(*) FROM dead_letter_queue") == [(0,)]
