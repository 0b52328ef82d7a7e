"""The soak, as small as it can be. No speed is asserted: that is the machine's."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from currant.store.scratch import Scratch
from tests.process.test_bench import DEADLINE_S, environment

ROOT = Path(__file__).parents[2]


def soak(*options: str, url: str | None = None) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.soak", *options],
        cwd=ROOT,
        env=environment(url),
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )


def test_soak_tells_of_each_chunk_and_of_the_long_transaction(tmp_path: Path, server: Scratch) -> None:
    file = tmp_path / "soak.json"
    options = ("--jobs", "2000", "--chunk", "1000", "--held", "1.2", "--workers", "1", "--json", str(file))
    done = soak(*options, url=server.url)
    # Whether the promises hold on so few executions is chance.
    assert done.returncode in (0, 1), done.stdout + done.stderr
    assert done.stderr == ""
    found = json.loads(file.read_text())
    assert [chunk["upto"] for chunk in found["chunks"]] == [1000, 2000]
    assert all(chunk["sizes"]["executions"] > 0 for chunk in found["chunks"])
    assert [stretch["name"] for stretch in found["stretches"]][:: len(found["stretches"]) - 1] == ["before", "after"]
    once = [check for check in found["checks"] if check["name"] == "every execution once"]
    assert len(once) == 2
    assert all(check["ok"] for check in once), done.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--jobs", "10"), "--jobs must be at least one --chunk, 100000, got 10"),
        (("--held", "-1"), "--held must be from 0 to 3600 seconds, got -1"),
        (("--workers", "0"), "--workers must be at least 1, got 0"),
        (
            ("--json", "/nowhere/at/all.json"),
            "--json must name a file in a folder that exists, got /nowhere/at/all.json",
        ),
    ],
)
def test_a_mistake_is_told_before_anything_runs(options: tuple[str, ...], message: str) -> None:
    done = soak(*options)
    assert (done.returncode, done.stdout) == (2, f"soak: error: {message}\n")
