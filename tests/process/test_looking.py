"""How people look at a node and at what it needs: `currantctl status`, `top` and `doctor`, on and off a terminal."""

import contextlib
import fcntl
import json
import os
import pty
import re
import select
import struct
import subprocess
import termios
from pathlib import Path
from typing import Any

import psycopg
from psycopg import conninfo
from typer.testing import CliRunner

from currant.cli import currantctl
from tests.nodes import HANGS_S, JOBS, World
from tests.process.test_cli import CURRANTCTL, _run
from tests.roles import temporary_role


def doctor(*args: str, url: str | None, folder: Path) -> tuple[int, dict[str, dict[str, Any]]]:
    """Runs doctor in this process; returns the exit code, and the checks by name."""
    env = {name: None for name in os.environ if name.startswith("CURRANT_")}
    given = {**env, "CURRANT_DATABASE_URL": url, "CURRANT_RUNTIME_DIR": str(folder / "run")}
    with contextlib.chdir(folder):
        result = CliRunner().invoke(currantctl.app, ["doctor", "--json", *args], env=given)
    report = json.loads(result.stdout)
    assert (result.exit_code == 1) == (report["verdict"] == "failed")
    return result.exit_code, {each["name"]: each for each in report["checks"]}


def test_doctor_of_a_broken_setup_names_what_is_broken_and_fails(empty_url: str, tmp_path: Path) -> None:
    code, checks = doctor(url=None, folder=tmp_path)
    assert (code, checks["connection"]["found"]) == (1, "no database is named")

    code, checks = doctor(url="postgresql://someone@127.0.0.1:1/nowhere", folder=tmp_path)
    assert code == 1
    assert "refused" in checks["connection"]["found"]
    assert "start the server" in checks["connection"]["advice"]

    code, checks = doctor(url=empty_url, folder=tmp_path)
    assert (code, checks["schema"]["advice"]) == (1, "run `currant migrate`")
    assert checks["connection"]["verdict"] == "ok"

    with temporary_role(empty_url) as role:
        wrong = conninfo.make_conninfo(role.url, password="wrong")
        code, checks = doctor(url=wrong, folder=tmp_path)
        # Where the server trusts everyone, the role comes in, and lacks all else.
        assert code == 1
        assert "wrong" not in json.dumps(checks)


def test_doctor_says_what_a_role_lacks_and_that_an_old_schema_is_old(world: World, tmp_path: Path) -> None:
    with temporary_role(world.url) as role, psycopg.connect(world.url, autocommit=True) as connection:
        ((schema,),) = connection.execute("SELECT quote_ident(current_schema())").fetchall()
        connection.execute(f'GRANT USAGE ON SCHEMA {schema} TO "{role.name}"')
        connection.execute(f'GRANT SELECT ON schema_migrations TO "{role.name}"')
        code, checks = doctor(url=role.url, folder=tmp_path)
        assert code == 1
        assert checks["schema"]["verdict"] == "ok"
        assert "DELETE on executions" in checks["rights"]["found"] or "more" in checks["rights"]["found"]
        assert "currant grant" in checks["rights"]["advice"]
        connection.execute("DELETE FROM schema_migrations WHERE version > 2")
        code, checks = doctor(url=world.url, folder=tmp_path)
        assert code == 1
        assert "version 2" in checks["schema"]["found"]
        assert "rights" not in checks


class Terminal:
    """A terminal on which `currantctl` runs."""

    def __init__(self, *args: str, columns: int, rows: int = 40, **env: str) -> None:
        self.ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.before = termios.tcgetattr(theirs)
        self.theirs = theirs
        kept = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
        environment = {**kept, "TERM": "xterm-256color", "PYTHONPATH": JOBS, **env}
        self.process = subprocess.Popen(
            [*CURRANTCTL, *args], stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True
        )
        self.shown = ""

    def until(self, text: str) -> str:
        """Waits until the text is shown, and returns all since the last call up to it, without what steers."""
        while text not in self.shown:
            assert select.select([self.ours], [], [], HANGS_S)[0], self.shown
            self.shown += os.read(self.ours, 65536).decode(errors="replace")
        found, text, self.shown = self.shown.partition(text)
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", found)

    def end(self) -> int:
        """Returns the exit code; the terminal is as it was."""
        # Who writes to a terminal that nobody reads waits.
        while self.process.poll() is None:
            self._read(0.1)
        self._read(0)
        assert termios.tcgetattr(self.theirs) == self.before
        os.close(self.theirs)
        os.close(self.ours)
        return self.process.returncode

    def _read(self, within_s: float) -> None:
        while select.select([self.ours], [], [], within_s)[0]:
            self.shown += os.read(self.ours, 65536).decode(errors="replace")


def test_status_top_and_doctor_show_a_node_that_works(world: World) -> None:
    node = world.node("--procs", "2")
    world.enqueue("echo", count=20)
    world.enqueue("failing", max_retries=0)
    world.at_rest()
    run = ["--runtime-dir", str(node.folder / "run")]

    for columns in (80, 120):
        top = Terminal("top", *run, "-i", "0.2", columns=columns)
        top.until("over the last")
        page = top.until("q quits")
        assert "jobs.failing" in page
        assert "ValueError: this one always fails" in page
        # Left by q, and by a signal: the cursor is back, and the screen is the one before.
        if columns == 80:
            os.write(top.ours, b"q")
        else:
            top.process.terminate()
        assert top.end() == (0 if columns == 80 else 143)
        assert "\x1b[?25h" in top.shown
        assert top.shown.rstrip().endswith("\x1b[?1049l")

    for line, words in (("currantctl pause te", ["test"]), ("currantctl restart ", ["0", "1"])):
        completing = {"_CURRANTCTL_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": "2"}
        completed = _run(CURRANTCTL, folder=world.folder, **completing, CURRANT_RUNTIME_DIR=run[1])
        assert completed.stdout.split() == words

    once = _run(CURRANTCTL, "top", *run, "-i", "0.2", folder=world.folder)
    assert (once.returncode, once.stderr) == (0, "")
    assert "\x1b" not in once.stdout
    assert "jobs.failing  failed   ValueError: this one always fails" in once.stdout

    status = _run(CURRANTCTL, "status", *run, folder=world.folder).stdout
    assert f"{node.status().node} running" in status
    assert "20 completed, 1 failed" in status
    assert "jobs.echo" in status
    assert "ValueError: this one always fails" in status
    reply = node.status()
    functions = {each.function: each for each in reply.functions}
    assert functions["jobs.echo"].finished == {"completed": 20}
    assert functions["jobs.failing"].finished == {"failed": 1}
    (error,) = reply.errors
    assert (error.type, error.attempt, error.reason) == ("ValueError", 1, "failed in its last attempt (1 of 1)")
    assert reply.oldest_s == {}
    assert set(reply.scheduled or {}) == set(reply.queues)

    healthy = _run(CURRANTCTL, "doctor", "--json", *run, folder=world.folder, CURRANT_DATABASE_URL=world.url)
    report = json.loads(healthy.stdout)
    assert (healthy.returncode, healthy.stderr, report["verdict"]) == (0, "", "warning")
    checks = {each["name"]: each for each in report["checks"]}
    assert checks["currantd"]["found"].startswith(reply.node)
    assert checks["dead letters"]["verdict"] == "warning"
    assert checks["nodes"]["found"] == f"1 alive: {reply.node}"


def test_where_no_node_runs_it_says_where_it_looked_and_why_there(tmp_path: Path) -> None:
    result = _run(CURRANTCTL, "status", folder=tmp_path)
    assert result.returncode == 5
    assert result.stderr.startswith(
        f"currantctl: error: no currantd runs in {tmp_path / 'run'} (CURRANT_RUNTIME_DIR names it): start it, or name"
    )
