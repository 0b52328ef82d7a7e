"""Where a supervisor is looked for, and why there: what `currantctl` says when none runs."""

import os
import socket
import tempfile
from pathlib import Path

import pytest

from currant import settings
from currant.cli import exits
from currant.cli.ctl.asked import asked
from currant.errors import ConfigurationError, CurrantError, NoSupervisor
from currant.protocol.status import StatusReply, StatusRequest


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("CURRANT_RUNTIME_DIR", "RUNTIME_DIRECTORY", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def test_the_reason_for_the_runtime_directory_is_what_decided_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert settings.load().runtime_dir == Path(tempfile.gettempdir()) / f"currant-{os.getuid()}"
    assert settings.why_runtime_dir(None).startswith("the default, for neither")
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/7")
    assert (settings.load().runtime_dir, settings.why_runtime_dir(None)) == (
        Path("/run/user/7/currant"),
        "XDG_RUNTIME_DIR leads there",
    )
    monkeypatch.setenv("RUNTIME_DIRECTORY", "/run/currantd")
    assert settings.load().runtime_dir == Path("/run/currantd")
    assert settings.why_runtime_dir(None).startswith("RUNTIME_DIRECTORY")
    (tmp_path / "pyproject.toml").write_text('[tool.currant]\nruntime_dir = "/var/a"\n')
    assert settings.why_runtime_dir(None) == "[tool.currant] in pyproject.toml names it"
    monkeypatch.setenv("CURRANT_RUNTIME_DIR", "/var/b")
    assert settings.why_runtime_dir(None) == "CURRANT_RUNTIME_DIR names it"
    assert settings.why_runtime_dir("/var/c") == "--runtime-dir names it"


def test_where_one_seems_to_run_is_said_with_where_none_does(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    other = tmp_path / "user" / "currant"
    other.mkdir(parents=True)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(other.parent))
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(other / "control.sock"))
        with pytest.raises(NoSupervisor) as told:
            asked(str(tmp_path), StatusRequest(), StatusReply)
    text = str(told.value)
    assert f"no currantd runs in {tmp_path} (--runtime-dir names it): start it, or name its directory" in text
    # A service's on this machine may come first.
    assert text.endswith("where one seems to run")


def test_errors_have_exit_codes_of_their_own() -> None:
    assert exits.of(NoSupervisor("")) == 5
    assert exits.of(ConfigurationError("")) == 2
    assert exits.of(CurrantError("")) == 1
    assert "5 no currantd runs in the runtime directory" in exits.epilog(exits.NO_SUPERVISOR)
