"""A page's project: its files in a folder, a database of its own, an interpreter, and the `currantd` that it starts."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Self

from tests.docs import session
from tests.docs.pages import Block, shown
from tests.nodes import eventually

#: What hangs ends the test.
HANGS_S = 60.0
READY = "node ready"
#: In a command it stands for the id that was printed last.
ELLIPSIS_ID = "job_…"

_CURRANTD = re.compile(r"(\w+=\S+ )*currantd\b")
_ID = re.compile(r"\bjob_[0-9a-zA-Z]+\b")


class ExampleFailed(AssertionError):
    """An example did not do what its page says."""


class Project:
    """Runs the blocks of one page, in their order."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.environment = {
            # As on a terminal, which the pages show.
            "CURRANT_LOG_FORMAT": "console",
            **os.environ,
            "CURRANT_DATABASE_URL": url,
            "DATABASE_URL": url,
            "CURRANT_RUNTIME_DIR": str(folder / "run"),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "COLUMNS": "120",
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        self._log_file = folder / "currantd.log"
        self._errors_file = folder / "python.log"
        self._node: subprocess.Popen[bytes] | None = None
        self._session: subprocess.Popen[str] | None = None
        self._printed = ""
        self._last_id: str | None = None

    def run(self, block: Block) -> None:
        """Does what the block says. Raises ExampleFailed."""
        if block.language == "output":
            self._check(block)
        elif block.title is not None:
            self._write(block.title, block.text)
        elif block.language == "python":
            self._print(self._run_python(block))
        elif block.language == "sh":
            self._run_shell(block)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Ends what the page started. Raises ExampleFailed when `currantd` did not drain as it should."""
        if self._session is not None:
            self._session.communicate()
        try:
            self._stop_node()
        except ExampleFailed:
            # What failed first says more.
            if kind is None:
                raise

    def _write(self, name: str, text: str) -> None:
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a") as opened:
            # As one adds to a file: with some room before.
            opened.write(f"\n\n{text}" if file.stat().st_size else text)

    def _run_python(self, block: Block) -> str:
        if self._session is None:
            with self._errors_file.open("ab") as errors:
                self._session = subprocess.Popen(
                    [sys.executable, session.__file__],
                    cwd=self.folder,
                    env=self.environment,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    text=True,
                )
        assert self._session.stdin is not None
        assert self._session.stdout is not None
        page = shown(block.page)
        self._session.stdin.write(json.dumps({"page": page, "line": block.line, "text": block.text}) + "\n")
        self._session.stdin.flush()
        watch = threading.Timer(HANGS_S, self._session.kill)
        watch.start()
        lines: list[str] = []
        try:
            for line in self._session.stdout:
                if line.startswith(session.DONE):
                    return "".join(lines)
                if line.startswith(session.FAILED):
                    break
                lines.append(line)
        finally:
            watch.cancel()
        raise ExampleFailed(f"{block.place}: the block failed or hung:\n{''.join(lines)}{self._log_tail()}")

    def _run_shell(self, block: Block) -> None:
        """Runs the lines with bash, those that start `currantd` beside it."""
        script: list[str] = []
        for command in block.text.replace("\\\n", "").splitlines():
            if _CURRANTD.match(command):
                self._run_script(block, script)
                self._start_node(block, command)
                continue
            if ELLIPSIS_ID in command:
                # What printed the id has to have run.
                self._run_script(block, script)
                command = command.replace(ELLIPSIS_ID, self._known_id(block))
            script.append(command)
        self._run_script(block, script)

    def _run_script(self, block: Block, script: list[str]) -> None:
        if script:
            self._print(self._bash(block, "\n".join(script)))
            script.clear()

    def _known_id(self, block: Block) -> str:
        if self._last_id is None:
            raise ExampleFailed(f"{block.place}: no execution's id was printed before")
        return self._last_id

    def _bash(self, block: Block, text: str) -> str:
        try:
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", text],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=HANGS_S,
            )
        except subprocess.TimeoutExpired as error:
            raise ExampleFailed(f"{block.place}: {error}") from None
        if done.returncode != 0:
            raise ExampleFailed(
                f"{block.place}: exit code {done.returncode}:\n{done.stdout}{done.stderr}{self._log_tail()}"
            )
        return done.stdout

    def _start_node(self, block: Block, command: str) -> None:
        self._stop_node()
        before = len(self._log())
        words = shlex.split(command, comments=True)
        with self._log_file.open("ab") as log:
            self._node = subprocess.Popen(
                ["env", *words], cwd=self.folder, env=self.environment, stdout=log, stderr=log
            )
        node = self._node
        try:
            eventually(lambda: READY in self._log()[before:] or node.poll() is not None)
        except AssertionError:
            raise ExampleFailed(f"{block.place}: currantd does not get ready:{self._log_tail()}") from None
        if node.poll() is not None:
            raise ExampleFailed(f"{block.place}: currantd ended:{self._log_tail()}")

    def _stop_node(self) -> None:
        node, self._node = self._node, None
        if node is None:
            return
        node.send_signal(signal.SIGINT)
        try:
            code = node.wait(HANGS_S)
        except subprocess.TimeoutExpired:
            node.kill()
            code = node.wait()
        if code != 0:
            raise ExampleFailed(f"currantd ended with {code}:{self._log_tail()}")

    def _print(self, text: str) -> None:
        if text:
            self._printed = text
            found = _ID.findall(text)
            self._last_id = found[-1] if found else self._last_id

    def _check(self, block: Block) -> None:
        """Compares with what was printed last, or waits for lines in `currantd`'s terminal."""
        if block.title == "currantd":
            pattern = _pattern(block.text)
            try:
                eventually(lambda: pattern.search(self._log()))
            except AssertionError:
                raise ExampleFailed(f"{block.place}: currantd never printed this:{self._log_tail()}") from None
        elif not _pattern(block.text).fullmatch(_plain(self._printed)):
            raise ExampleFailed(f"{block.place}: the output is\n{self._printed}{self._log_tail()}")

    def _log(self) -> str:
        return _plain(self._log_file.read_text()) if self._log_file.exists() else ""

    def _log_tail(self) -> str:
        log = self._log()
        return f"\n--- currantd said:\n{log[-5000:]}" if log else ""


def _plain(text: str) -> str:
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


def _pattern(expected: str) -> re.Pattern[str]:
    """Returns the output as a pattern, in which an ellipsis stands for anything."""
    return re.compile(".*?".join(map(re.escape, _plain(expected).split("…"))), re.DOTALL)
