"""The database's password: where it may not be seen."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
from psycopg import conninfo

import currant
from tests.nodes import JOBS, World, eventually

PASSWORD = "recognisable-swordfish-4711"


@pytest.fixture
def password_url(url: str) -> str:
    """The address with a password in it. The server of the tests asks for none, and does not look at it."""
    return conninfo.make_conninfo(url, password=PASSWORD)


def _of_process(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()


def _environment(pid: int) -> str:
    return Path(f"/proc/{pid}/environ").read_bytes().decode()


def test_the_password_is_in_no_command_line_no_log_no_status_and_no_childs_environment(
    world: World, password_url: str
) -> None:
    node = world.node(
        "--procs", "2", "--log-level", "debug", CURRANT_DATABASE_URL=password_url, PGPASSWORD=PASSWORD + "-too"
    )
    world.enqueue("echo", count=5)
    assert world.at_rest() == {"completed": 5}
    # Each connection is lost once, which the log tells.
    world.rows(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name LIKE 'currantd:%%' AND pid <> pg_backend_pid()"
    )
    world.enqueue("echo", count=5)
    assert world.at_rest() == {"completed": 10}
    # The second child may be late.
    below = eventually(lambda: len(found := node.descendants()) == 3 and found)
    assert PASSWORD in _environment(node.process.pid)
    for pid in below:
        assert PASSWORD not in _environment(pid)
    for pid in (node.process.pid, *below):
        assert PASSWORD not in _of_process(pid)
    told = subprocess.run(
        [sys.executable, "-m", "currant.cli.currantctl", "status", "--json"],
        env={**os.environ, "CURRANT_RUNTIME_DIR": str(node.folder / "run")},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert '"node"' in told
    assert PASSWORD not in told
    assert node.stop() == 0
    assert "connection" in node.log
    assert PASSWORD not in node.log


@pytest.mark.parametrize(
    ("program", "wrong"),
    [
        ("currant.cli.main", {"host": "/nowhere"}),
        ("currant.cli.main", {"user": "nobody_of_this_name"}),
        ("currant.cli.main", {"dbname": "no_such_database"}),
        ("currant.cli.main", {"port": "none"}),
        ("currant.cli.currantd", {"user": "nobody_of_this_name"}),
        ("currant.cli.currantd", {"dbname": "no_such_database"}),
    ],
)
def test_no_refusal_repeats_the_password(
    password_url: str, tmp_path: Path, program: str, wrong: dict[str, str]
) -> None:
    call = ["migrate"] if program == "currant.cli.main" else ["-m", "jobs"]
    done = subprocess.run(
        [sys.executable, "-m", program, *call],
        env={
            **os.environ,
            "PYTHONPATH": JOBS,
            "CURRANT_RUNTIME_DIR": str(tmp_path / "run"),
            "CURRANT_DATABASE_URL": conninfo.make_conninfo(password_url, **wrong),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode not in (0, -6, -11)
    assert "Traceback" not in done.stderr
    assert done.stderr.strip()
    assert PASSWORD not in done.stdout + done.stderr


def test_nothing_unpickles() -> None:
    """What Currant reads, from the database or between its processes, cannot hold code."""
    root = Path(currant.__file__).parent
    files = list(root.rglob("*.py"))
    assert len(files) > 100
    risky = {"pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "multiprocessing"}
    for file in files:
        for item in ast.walk(ast.parse(file.read_text())):
            names = (
                [each.name for each in item.names]
                if isinstance(item, ast.Import)
                else [item.module or ""]
                if isinstance(item, ast.ImportFrom)
                else []
            )
            assert not {name.split(".")[0] for name in names} & risky, f"{file} imports one of {risky}"
