"""The commands that the demo runs, as a user would type them: `currant` and `currantd`."""

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
CURRANTD = ["currantd", "--procs", "2", "--concurrency", "64", "-m", "examples.shop"]
#: Shorter than the default, 1 s, so that the demo is.
RETRY_BASE_S = "0.2"

STOP_S = 20.0
_LOG_LINES = 30


class Surprise(Exception):
    """The demo did not go as it must."""


def run_migrate(url: str) -> None:
    """Runs `currant migrate`. Raises Surprise, with what it says, when it fails."""
    done = subprocess.run(_installed(["currant", "migrate"]), env=_environment(url), capture_output=True, text=True)
    if done.returncode != 0:
        raise Surprise(f"`currant migrate` exited with {done.returncode}: {done.stderr.strip()}")


class Currantd:
    """A running `currantd`."""

    def __init__(self, url: str, folder: Path) -> None:
        self._log = folder / "currantd.log"
        environment = {**_environment(url), "CURRANT_RUNTIME_DIR": str(folder / "run")}
        with self._log.open("wb") as log:
            # In a session of its own, a Ctrl-C reaches the demo alone, which then stops it.
            self._process = subprocess.Popen(
                # As `currantd`, but for ending with the demo, also where that is killed.
                [sys.executable, "-m", "currant.cli.tied", str(os.getpid()), *CURRANTD[1:]],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def check(self) -> None:
        """Raises Surprise when it has ended."""
        status = self._process.poll()
        if status is not None:
            raise Surprise(f"currantd ended too early, with exit status {status}")

    def stop(self) -> None:
        """Stops it as an operator would, by SIGTERM. Raises Surprise unless it then ends, with 0."""
        self.check()
        self._process.terminate()
        try:
            status = self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            raise Surprise(f"currantd did not stop within {STOP_S:g} s of a SIGTERM") from None
        if status != 0:
            raise Surprise(f"currantd exited with {status} after a SIGTERM, instead of 0")

    def end(self) -> None:
        """Makes sure that it is gone: what still runs is given up, as after a Ctrl-C."""
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGKILL):  # a second one hurries
            self._process.send_signal(number)
            try:
                self._process.wait(STOP_S / 4)
                return
            except subprocess.TimeoutExpired:
                pass

    def last_lines(self) -> str:
        """Returns the end of its log."""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-_LOG_LINES:])


@contextmanager
def started(url: str, folder: Path) -> Iterator[Currantd]:
    """Runs `currantd` meanwhile; its log and its runtime directory are in `folder`."""
    currantd = Currantd(url, folder)
    try:
        yield currantd
    finally:
        currantd.end()


def _environment(url: str) -> dict[str, str]:
    # Settings of the user's own could make another demo of it.
    others = {name: value for name, value in os.environ.items() if not name.startswith("CURRANT_")}
    return {
        **others,
        "CURRANT_DATABASE_URL": url,
        "CURRANT_RETRY_BASE_S": RETRY_BASE_S,
        # Its last lines are shown when something goes wrong.
        "CURRANT_LOG_FORMAT": "console",
    }


def _installed(command: list[str]) -> list[str]:
    """Returns the command with the path of the program that belongs to this Python."""
    folder = sysconfig.get_path("scripts")
    program = shutil.which(command[0], path=folder)
    if program is None:
        raise Surprise(f"there is no {command[0]} in {folder}: install Currant there, with `make demo` or pip")
    return [program, *command[1:]]
