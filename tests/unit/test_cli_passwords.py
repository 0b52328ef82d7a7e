"""A password on the command line: every program that takes an address warns of it, and none repeats it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.core import TyperArgument
from typer.testing import CliRunner

from currant.cli import currantd, exits, main
from tests.nodes import eventually

PASSWORD = "recognisable-swordfish-4711"
#: Nobody answers there, and nothing is waited for.
NOWHERE = "host=/nowhere/at/all user=anna dbname=shop"
WARNING = "warning: the password in --database-url is seen by every user of this machine"
#: What else a command must be told.
ANSWERS = {("dead", "retry"): ["--all"], ("dead", "purge"): ["--all", "--yes"], ("bench",): ["--jobs", "10"]}


def _commands(of: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], list[str]]]:
    """Returns all that take an address, each with what stands in its call besides that."""
    if any(each.name == "database_url" for each in of.params):
        yield path, ["jobs.echo" for each in of.params if isinstance(each, TyperArgument) and each.required]
    for name, each in getattr(of, "commands", {}).items():
        yield from _commands(each, (*path, name))


COMMANDS = dict(_commands(typer.main.get_command(main.app)))


def test_the_commands_are_found() -> None:
    assert {("enqueue",), ("migrate",), ("bench",), ("dead", "list"), ("schedules",)} <= COMMANDS.keys()
    assert ANSWERS.keys() <= COMMANDS.keys()


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_a_command_warns_once_of_a_password_in_its_arguments(path: tuple[str, ...]) -> None:
    call = [*path, *ANSWERS.get(path, []), *COMMANDS[path], "--database-url"]
    for url, warnings in ((f"{NOWHERE} password={PASSWORD}", 1), (NOWHERE, 0)):
        done = CliRunner().invoke(main.app, [*call, url], env={"CURRANT_DATABASE_URL": None})
        # Some look for the function first.
        assert done.exit_code in (exits.FAILED, exits.USAGE), done.output
        assert done.stderr.count(WARNING) == warnings
        assert PASSWORD not in done.output


def test_a_command_does_not_warn_of_a_password_in_the_environment() -> None:
    done = CliRunner().invoke(main.app, ["queues"], env={"CURRANT_DATABASE_URL": f"{NOWHERE} password={PASSWORD}"})
    assert done.exit_code == exits.FAILED, done.output
    assert "warning" not in done.output
    assert PASSWORD not in done.output


@pytest.mark.parametrize(("password", "warnings"), [(f" password={PASSWORD}", 1), ("", 0)])
def test_currantd_logs_that_its_command_line_holds_a_password(
    password: str, warnings: int, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    # It comes no further than to the next mistake. Not by a CliRunner: the log is written to the descriptor.
    call = ["-m", "jobs", "--embedded", "--runtime-dir", str(tmp_path), "--database-url", NOWHERE + password]
    with pytest.raises(SystemExit) as ended:
        currantd.app(call)
    assert ended.value.code == exits.USAGE
    told = ""

    def is_told() -> bool:
        """The log is written by a thread of its own, in its own time."""
        nonlocal told
        told += "".join(capfd.readouterr())
        return told.count("password on the command line") == warnings

    eventually(is_told)
    assert "--embedded and --database-url exclude each other" in told
    assert PASSWORD not in told
