"""The parts of the command line that need no process: options out of settings, durations, dates, JSON, help."""

import dataclasses
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer

from currant.cli import currantctl, currantd, exits, finding, output, values
from currant.cli.ctl import completing
from currant.cli.options import settings_of_nodes
from currant.errors import ConfigurationError
from currant.settings import Settings, environment_name


def test_currantd_has_an_option_for_each_setting_of_a_node_and_names_its_variable() -> None:
    command = typer.main.get_command(currantd.app)
    options = {each.name: each for each in command.params}
    assert settings_of_nodes()
    for name in settings_of_nodes():
        assert environment_name(name) in options[name].help  # type: ignore[attr-defined]
    groups = {each.name: each.metadata["group"] for each in dataclasses.fields(Settings)}
    assert {name for name, group in groups.items() if group is None}.isdisjoint(options)
    assert {"procs", "crashes_max", "retry_base_s", "boot_timeout_s"} <= options.keys()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("1.5", 1.5),
        ("90s", 90),
        ("5m", 300),
        ("5 min", 300),
        ("2h", 7200),
        ("30d", 2_592_000),
        ("1w", 604_800),
    ],
)
def test_a_duration_is_seconds_or_has_a_unit(text: str, seconds: float) -> None:
    assert values.duration(text) == seconds


@pytest.mark.parametrize("text", ["", "-1", "soon", "3y", "1h30m", "nan", "inf", "1e3", "99999999999", "١h"])
def test_what_is_no_duration_is_refused_with_examples(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="90s or 30d"):
        values.duration(text)


def test_a_moment_needs_its_time_zone() -> None:
    assert values.moment("2030-01-31T09:00Z") == datetime(2030, 1, 31, 9, tzinfo=UTC)
    for text in ("2030-01-31T09:00", "2030-01-31", "tomorrow"):
        with pytest.raises(typer.BadParameter, match="time zone"):
            values.moment(text)


def test_a_date_is_shown_exactly_and_as_people_say_it() -> None:
    now_s = datetime(2030, 1, 1, 12, tzinfo=UTC).timestamp()
    assert output.dated("2030-01-01T12:55:00+01:00", now_s) == "2030-01-01 11:55:00Z (5 min ago)"
    assert output.dated("2030-01-04T12:00:00.5+00:00", now_s) == "2030-01-04 12:00:00Z (in 3 d)"
    assert output.dated("infinity", now_s) == "infinity"
    assert output.dated(None, now_s) is None


def test_control_characters_are_shown_and_do_nothing() -> None:
    assert output.text("a\x1b[31mb\u009bc\r\u202ed").plain == "a\\x1b[31mb\\u009bc\\r\\u202ed"
    assert output.text("ü[bold]\n\t").plain == "ü[bold]\n\t"


def test_a_cell_of_a_table_is_one_line_whatever_it_holds(capsys: pytest.CaptureFixture[str]) -> None:
    page = output.Page()
    page.add(output.table("function", "reason", rows=[("a\nb", "one\ttwo\r\nthree")]))
    assert capsys.readouterr().out.splitlines()[2:] == [r"a\nb      one\ttwo\r\nthree"]


def test_json_with_a_mistake_is_shown_where_it_is() -> None:
    with pytest.raises(ConfigurationError, match=r"--args is no JSON: .* at character 2, before 'x, 1]'"):
        finding.parse_json("[x, 1]", list, "--args")
    with pytest.raises(ConfigurationError, match="cannot be read as JSON"):
        finding.parse_json("[" * 100_000, list, "--args")
    assert finding.parse_json('{"ü": 1}', dict, "--kwargs") == '{"ü": 1}'.encode()


def test_the_exit_codes_of_a_help_are_in_order_and_whole() -> None:
    parts = exits.epilog(exits.NOT_IN_TIME, exits.ENDED_BADLY).removeprefix("Exit codes: ").split("; ")
    assert [part.split()[0] for part in parts] == ["0", "1", "2", "3", "4", "130", "141"]


def test_completion_of_queues_and_children_needs_a_node_and_is_quiet_without(tmp_path: Path) -> None:
    context = typer.Context(typer.main.get_command(currantctl.app))
    context.params = {"runtime_dir": str(tmp_path)}
    assert completing.queue_names(context, "") == []
    assert completing.child_numbers(context, "1") == []
