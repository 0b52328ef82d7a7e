"""deploy/systemd: that systemd reads it without a word, that it is hardened, and that it fits what the code says."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from currant import settings
from currant.cli import descriptors, exits
from currant.settings import Settings
from currant.store.connections import STATEMENT_S
from currant.supervisor import drain
from currant.supervisor.herald import EXTENSION_S, STATUS_S
from currant.supervisor.node import CANCEL_STATEMENTS_S

FOLDER = Path(__file__).parents[2] / "deploy" / "systemd"
#: Where a unit of the name is started as.
UNITS = {"currantd.service": "currantd.service", "currantd@.service": "currantd@mail.service"}
PROGRAMS = "/srv/currant/venv/bin"
EXPOSURE_MAX = 2.0

Tool = Callable[..., str]


def directives(text: str) -> dict[str, list[str]]:
    """Returns the values of each directive of a unit."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line and line[0] not in "#[":
            name, value = line.split("=", 1)
            found.setdefault(name, []).append(value)
    return found


def seconds(unit: dict[str, list[str]], name: str) -> float:
    (value,) = unit[name]
    return float(value.removesuffix("s"))


@pytest.fixture(params=UNITS)
def unit(request: pytest.FixtureRequest) -> dict[str, list[str]]:
    return directives((FOLDER / request.param).read_text())


@pytest.fixture
def tool() -> Tool:
    """Runs one of systemd's programs and returns all that it says; skips where there is none."""

    def run(program: str, *args: str | Path) -> str:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
        done = subprocess.run(
            [program, *args], capture_output=True, text=True, timeout=60, env={**os.environ, "SYSTEMD_COLORS": "0"}
        )
        said = done.stdout + done.stderr
        assert done.returncode == 0, said
        return said

    return run


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The folder of the units as a machine has them: with programs that are there, and with all examples."""
    for name, instance in UNITS.items():
        text = (FOLDER / name).read_text()
        assert text.count(PROGRAMS) == 2
        (tmp_path / instance).write_text(text.replace(PROGRAMS, str(Path(sys.executable).parent)))
        drop_ins = tmp_path / f"{instance}.d"
        drop_ins.mkdir()
        for example in (FOLDER / "examples").glob("*.conf"):
            shutil.copy(example, drop_ins)
    shutil.copy(FOLDER / "examples" / "currant.slice", tmp_path)
    return tmp_path


# systemd's own word


@pytest.mark.parametrize("instance", UNITS.values())
def test_systemd_reads_the_units_with_all_examples_without_a_warning(
    tool: Tool, installed: Path, instance: str
) -> None:
    assert tool("systemd-analyze", "verify", installed / instance) == ""


def test_a_slip_of_the_pen_would_be_noticed(tool: Tool, installed: Path) -> None:
    (installed / "currantd.service.d" / "slip.conf").write_text("[Service]\nMemoryMaximum=1G\n")
    assert "MemoryMaximum" in tool("systemd-analyze", "verify", installed / "currantd.service")


@pytest.mark.parametrize("instance", UNITS.values())
def test_the_units_are_hardened(tool: Tool, installed: Path, instance: str) -> None:
    said = tool("systemd-analyze", "security", "--no-pager", "--offline=true", installed / instance)
    (line,) = [line for line in said.splitlines() if "Overall exposure level" in line]
    assert float(line.split(":")[1].split()[0]) <= EXPOSURE_MAX


def test_the_user_and_the_folders_are_made(tool: Tool, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root gives files away")
    (tmp_path / "etc").mkdir()
    tool("systemd-sysusers", f"--root={tmp_path}", FOLDER / "currant.sysusers")
    assert "/var/lib/currant" in (tmp_path / "etc" / "passwd").read_text()
    environment = tmp_path / "etc" / "currant" / "mail.env"
    environment.parent.mkdir()
    environment.touch(0o644)
    tool("systemd-tmpfiles", f"--root={tmp_path}", "--create", FOLDER / "currant.tmpfiles")
    assert environment.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "etc" / "currant").stat().st_mode & 0o777 == 0o750
    assert (tmp_path / "srv" / "currant" / "releases").is_dir()


# What the code says


def test_a_stop_takes_no_longer_than_systemd_waits(unit: dict[str, list[str]]) -> None:
    patience = (drain.CLAIM_END, drain.CANCEL, drain.KILL, max(drain.FLUSH, drain.STOP_HOOKS))
    longest_s = Settings().grace_s + sum(each.drain_s for each in patience) + CANCEL_STATEMENTS_S
    assert seconds(unit, "TimeoutStopSec") >= 1.25 * longest_s
    assert unit["KillMode"] == ["mixed"]


def test_a_start_takes_no_longer_than_systemd_waits(unit: dict[str, list[str]]) -> None:
    # The modules, then the first child.
    assert seconds(unit, "TimeoutStartSec") >= 1.25 * 2 * Settings().boot_timeout_s


def test_the_watchdog_is_patient_with_a_machine_that_stalls(unit: dict[str, list[str]]) -> None:
    watchdog_s = seconds(unit, "WatchdogSec")
    assert watchdog_s >= 2 * max(EXTENSION_S, STATEMENT_S, STATUS_S)
    assert unit["Type"] == ["notify"]


def test_a_mistake_in_a_setting_is_no_reason_to_try_again(unit: dict[str, list[str]]) -> None:
    assert unit["RestartPreventExitStatus"] == [str(exits.USAGE)]


def test_the_limits_are_those_that_currantd_asks_for(unit: dict[str, list[str]]) -> None:
    assert unit["LimitNOFILE"] == [str(descriptors.DESCRIPTORS_MAX)]
    assert unit["RuntimeDirectoryMode"] == ["0700"]


def test_a_reload_finds_the_directory_by_its_name(unit: dict[str, list[str]]) -> None:
    assert unit["Environment"] == [f"PWD={unit['WorkingDirectory'][0]}"]


def test_the_template_is_the_unit_with_a_name() -> None:
    single, template = ((FOLDER / name).read_text().splitlines() for name in UNITS)
    added = [line for line in template if line not in single and not line.startswith("#")]
    assert added == [
        "Description=Currant job scheduler, %i",
        "EnvironmentFile=-/etc/currant/%i.env",
        "RuntimeDirectory=currantd-%i",
    ]
    missing = [line for line in single if line not in template and not line.startswith("#")]
    assert missing == ["Description=Currant job scheduler", "RuntimeDirectory=currantd"]


def test_the_environment_file_holds_settings_and_their_rules(tmp_path: Path) -> None:
    lines = (FOLDER / "currantd.env").read_text().splitlines()
    given = [line.removeprefix("#") for line in lines if "=" in line and not line.startswith("# ")]
    environ = dict(line.split("=", 1) for line in given)
    assert len(environ) >= 8
    assert settings.unknown_variables(environ) == {}
    assert settings.load(environ=environ, folder=tmp_path).modules == ("app.jobs",)
