"""Retention with a real node: results that nobody wants are never kept, and `currant prune` deletes what is old."""

import json
import os
import subprocess
import sys
from typing import Any

from tests.nodes import World, eventually

CURRANT = [sys.executable, "-m", "currant"]


def prune(world: World, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "CURRANT_DATABASE_URL": world.url, **env}
    return subprocess.run([*CURRANT, "prune", *args], env=environment, capture_output=True, text=True, timeout=60)


def test_with_keep_0_a_completed_execution_leaves_nothing_and_a_failed_one_stays(world: World) -> None:
    world.node("--procs", "1", CURRANT_KEEP_COMPLETED_S="0")
    world.enqueue("echo", 1, count=500)
    world.enqueue("odd_result")
    kept = world.enqueue("echo", 2, options=b'{"keep_completed": 60}')

    def over() -> list[tuple[Any, ...]]:
        rows = world.rows("SELECT id, status FROM executions WHERE status <> 'failed'")
        return rows if len(rows) == 1 else []

    assert eventually(over) == [(kept[0], "completed")]
    assert len(world.runs()) == 501
    assert world.states() == {"completed": 1, "failed": 1}


def test_prune_deletes_what_is_over_its_time_and_says_how_many(world: World) -> None:
    world.node("--procs", "1")
    world.enqueue("echo", 1, count=20)
    world.at_rest()
    old = "UPDATE executions SET completed_at = now() - interval '8 days' RETURNING 1"
    assert len(world.rows(old)) == 20
    # Their ids are of today: no prune looks at them yet.
    assert prune(world).stdout == "pruned 0 executions and dead letters\n"
    renamed = "UPDATE executions SET id = 'job_f' || substr(id, 6) RETURNING 1"
    assert len(world.rows(renamed)) == 20
    assert json.loads(prune(world, "--json").stdout) == {"pruned": 20}
    assert world.states() == {}


def test_prune_with_a_wrong_time_says_so(world: World) -> None:
    result = prune(world, "--keep-completed=-1")
    assert result.returncode == 2
    assert "--keep-completed must be a number of seconds of at least 0, or the word forever, got -1" in result.stderr
