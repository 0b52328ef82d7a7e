"""Settings: where each value comes from, and what a wrong one is told."""

from pathlib import Path
from typing import Any

import pytest

from currant import settings
from currant.errors import ConfigurationError
from currant.settings import Settings, load


def project(folder: Path, text: str) -> Path:
    (folder / "pyproject.toml").write_text(text)
    return folder


def refusal(folder: Path, *, given: dict[str, Any] | None = None, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(given, environ=environ or {}, folder=folder)
    return str(caught.value)


def test_an_option_comes_before_the_environment_and_that_before_pyproject(tmp_path: Path) -> None:
    folder = project(tmp_path, "[tool.currant]\nprocs = 2\nconcurrency = 20\ngrace_s = 7\n")
    environ = {"CURRANT_PROCS": "3", "CURRANT_CONCURRENCY": "30"}
    loaded = load({"procs": 4, "concurrency": None}, environ=environ, folder=folder)
    assert (loaded.procs, loaded.concurrency, loaded.grace_s) == (4, 30, 7.0)


def test_without_any_value_the_default_counts(tmp_path: Path) -> None:
    loaded = load(environ={}, folder=tmp_path)
    assert (loaded.database_url, loaded.modules, loaded.concurrency) == (None, (), 64)
    assert loaded.procs >= 1


def test_an_empty_variable_is_as_none(tmp_path: Path) -> None:
    assert load(environ={"CURRANT_CONCURRENCY": "", "CURRANT_DATABASE_URL": ""}, folder=tmp_path).concurrency == 64


def test_a_project_without_a_table_of_ours_is_fine(tmp_path: Path) -> None:
    assert load(environ={}, folder=project(tmp_path, "[tool.other]\nprocs = 0\n")).concurrency == 64


def test_names_come_as_a_list_or_separated_by_commas(tmp_path: Path) -> None:
    folder = project(tmp_path, '[tool.currant]\nmodules = ["app.jobs", "app.more"]\n')
    loaded = load(environ={"CURRANT_QUEUES": "a, b"}, folder=folder)
    assert (loaded.modules, loaded.queues) == (("app.jobs", "app.more"), ("a", "b"))


MODULES = "must be names of modules, as `import` takes them (app, not app.py or ./app)"


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("procs", "0", "must be an integer from 1 to 1000, got 0"),
        ("procs", "1001", "must be an integer from 1 to 1000, got 1001"),
        ("procs", "two", "must be an integer from 1 to 1000, got two"),
        ("procs", "1.5", "must be an integer from 1 to 1000, got 1.5"),
        ("concurrency", "0", "must be an integer from 1 to 4096, got 0"),
        ("grace_s", "-1", "must be a number of at least 0, got -1"),
        ("grace_s", "nan", "must be a number of at least 0, got nan"),
        ("grace_s", "inf", "must be a number of at least 0, got inf"),
        ("payload_bytes_max", "100", f"must be an integer from 1024 to {1 << 26}, got 100"),
        ("heartbeat_timeout_s", "5", "must be a number of at least 6, got 5"),
        ("boot_timeout_s", "0", "must be a number greater than 0, got 0"),
        ("claim_batch", "2501", "must be an integer from 1 to 2500, got 2501"),
        ("complete_batch", "0", "must be an integer from 1 to 2500, got 0"),
        ("prefetch", "maybe", "must be yes or no, got maybe"),
        ("poll_s", "0", "must be a number of at least 0.01, got 0"),
        ("crashes_max", "0", "must be an integer from 1 to 1000, got 0"),
        ("modules", "a,,b", f"{MODULES}, got a,,b"),
        ("modules", "app.py.", f"{MODULES}, got app.py."),
        ("database_url", "  ", "must be an address of a database, got   "),
        ("log_level", "loud", "must be debug, info, warning or error, got loud"),
    ],
)
def test_a_wrong_value_is_told_its_source_its_rule_and_itself(tmp_path: Path, name: str, value: str, rule: str) -> None:
    variable = f"CURRANT_{name.upper()}"
    assert refusal(tmp_path, environ={variable: value}) == f"{variable} {rule}"
    option = "--" + name.removesuffix("_s").replace("_", "-")
    assert refusal(tmp_path, given={name: value}) == f"{option} {rule}"
    folder = project(tmp_path, f'[tool.currant]\n{name} = "{value}"\n')
    assert refusal(folder) == f"[tool.currant] {name} {rule}"


@pytest.mark.parametrize(
    "line",
    [
        "procs = 1.5",
        "procs = true",
        "procs = inf",
        "procs = nan",
        "procs = []",
        "grace_s = false",
        "grace_s = {}",
        "modules = [1]",
        "modules = 5",
        "modules = [[]]",
        "queues = ['']",
        "runtime_dir = 5",
        "database_url = 5",
        "log_level = 1",
    ],
)
def test_a_value_of_another_type_in_pyproject_is_told_its_key(tmp_path: Path, line: str) -> None:
    name = line.split()[0]
    message = refusal(project(tmp_path, f"[tool.currant]\n{line}\n"))
    assert message.startswith(f"[tool.currant] {name} must be ")
    assert ", got " in message


def test_an_unknown_key_is_named(tmp_path: Path) -> None:
    message = refusal(project(tmp_path, "[tool.currant]\nproces = 3\nalso = 1\n"))
    assert message == "[tool.currant] in pyproject.toml has an unknown key: also, proces"


@pytest.mark.parametrize(
    "content",
    [b"[tool.currant\n", b"[tool.currant]\nmodules = '\xff'\n", b"[tool]\ncurrant = 3\n", b"tool = 3\n"],
    ids=["not TOML", "not UTF-8", "a number for our table", "a number for all tools"],
)
def test_a_pyproject_that_cannot_be_read_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "pyproject.toml").write_bytes(content)
    assert str(tmp_path / "pyproject.toml") in refusal(tmp_path)


def test_a_pyproject_that_is_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").mkdir()
    assert "cannot be read" in refusal(tmp_path)


def test_settings_do_not_change() -> None:
    with pytest.raises(AttributeError):
        Settings().procs = 3  # type: ignore[misc]


def test_the_fork_server_does_not_learn_the_address_of_the_database() -> None:
    environ = {"CURRANT_DATABASE_URL": "postgresql://u:secret@h/d", "PGPASSWORD": "secret", "PATH": "/bin"}
    assert settings.child_environment(environ) == {"PATH": "/bin", "PYTHONUNBUFFERED": "1"}
    assert settings.child_environment(environ, see_database=True) == {**environ, "PYTHONUNBUFFERED": "1"}


@pytest.mark.parametrize(
    ("word", "meant"), [("yes", True), ("TRUE", True), ("1", True), ("no", False), ("false", False)]
)
def test_a_setting_of_yes_or_no_takes_the_usual_words(word: str, meant: bool) -> None:
    assert settings.load(environ={"CURRANT_CHILDREN_SEE_DATABASE": word}).children_see_database is meant


def test_a_setting_of_yes_or_no_takes_nothing_else() -> None:
    with pytest.raises(ConfigurationError, match="CURRANT_CHILDREN_SEE_DATABASE must be yes or no, got maybe"):
        settings.load(environ={"CURRANT_CHILDREN_SEE_DATABASE": "maybe"})


def test_a_variable_that_is_no_setting_is_found_with_the_one_that_was_meant() -> None:
    environ = {"CURRANT_PROC": "2", "CURRANT_PROCS": "2", "CURRANTLY": "x", "CURRANT_XYZZY": "1"}
    assert settings.unknown_variables(environ) == {"CURRANT_PROC": "CURRANT_PROCS", "CURRANT_XYZZY": None}
