"""The demo as a user runs it: it ends well, it tells what happened, and it leaves nothing behind."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.nodes import eventually

ROOT = Path(__file__).parents[2]
DEADLINE_S = 240.0


class Demo:
    """A demo whose processes, apart from the server's, carry a mark in their environment."""

    def __init__(self, *options: str, temporary: Path) -> None:
        self._mark = f"DEMO_TEST_FOLDER={temporary}".encode()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "examples.demo", *options],
            cwd=ROOT,
            env={**os.environ, "TMPDIR": str(temporary), "DEMO_TEST_FOLDER": str(temporary), "COLUMNS": "120"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def wait_line(self, part: str) -> None:
        """Reads until a line holds `part`."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if part in line:
                return
        raise AssertionError(f"the demo ended without a line with {part!r}")

    def finish(self) -> str:
        return self.process.communicate(timeout=DEADLINE_S)[0]

    def processes(self) -> list[int]:
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if self._mark in (folder / "environ").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
        return found

    def wait_gone(self) -> None:
        eventually(lambda: not self.processes())


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A folder for temporary files that the server's account can pass, unlike pytest's own."""
    with tempfile.TemporaryDirectory(prefix="demo-", dir="/tmp") as name:
        Path(name).chmod(0o1777)
        yield Path(name)


def test_it_runs_every_job_and_tells_what_happened(temporary: Path) -> None:
    demo = Demo("--scale", "0.1", temporary=temporary)

    output = demo.finish()

    assert demo.process.returncode == 0, output
    assert "4,453 jobs, 4,485 runs, none lost" in output
    assert "LookupError: order 1 was never paid" in output
    assert "latency of the receipts" in output
    assert "Traceback" not in output
    demo.wait_gone()
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_in_its_midst_leaves_nothing_behind(number: signal.Signals, temporary: Path) -> None:
    demo = Demo(temporary=temporary)
    demo.wait_line("enqueued")
    # Itself, currantd, the fork server and two children, the second of which may be late.
    eventually(lambda: len(demo.processes()) >= 5)

    demo.process.send_signal(number)
    output = demo.finish()

    assert demo.process.returncode == 130, output
    assert output.splitlines()[-1] == "interrupted; nothing is left behind"
    assert "Traceback" not in output
    demo.wait_gone()
    assert list(temporary.iterdir()) == []


def test_it_says_what_is_wrong_when_currantd_dies(temporary: Path) -> None:
    demo = Demo(temporary=temporary)
    demo.wait_line("enqueued")
    currantd = next(pid for pid in demo.processes() if b"currant.cli.tied" in Path(f"/proc/{pid}/cmdline").read_bytes())

    os.kill(currantd, signal.SIGKILL)
    output = demo.finish()

    assert demo.process.returncode == 1, output
    assert "demo: error: currantd ended too early, with exit status -9" in output
    assert "the end of currantd's log:" in output
    assert "Traceback" not in output
    demo.wait_gone()
    assert list(temporary.iterdir()) == []
