"""Hooks at a child's start and stop, and middleware, in real nodes."""

import os
import signal
from typing import Any

from currant.supervisor.events import Event
from tests.nodes import Node, World, eventually

MODULE = "hooked_jobs"
START = ["open_pool", "load_model", "after_the_model"]


def _told(world: World, pid: int | None = None) -> list[str]:
    """Returns what the hooks and jobs said, of one process or of all."""
    file = world.folder / "hooks"
    lines = [line.rpartition(" ") for line in file.read_text().splitlines()] if file.exists() else []
    return [what for what, _, by in lines if pid is None or int(by) == pid]


def _outcome(world: World, function: str, *args: Any, **options: Any) -> tuple[str, Any]:
    """Runs one execution and returns its status with its result or its error."""
    (id,) = world.enqueue(f"{MODULE}.{function}", *args, max_retries=0, **options)
    world.at_rest()
    row = world.row(id)
    return row["status"], row["error"] if row["status"] == "failed" else row["result"]


def _count(node: Node, event: Event) -> int:
    return len(node.told(event))


# Start hooks


def test_what_start_hooks_open_in_each_child_is_there_for_its_jobs(world: World) -> None:
    node = world.node("--procs", "2", module=MODULE)
    children = eventually(lambda: pids if len(pids := node.children()) == 2 else None)
    eventually(lambda: all(_told(world, pid) == START for pid in children))
    for _ in range(4):
        assert _outcome(world, "uses_pool") == ("completed", [True, "ada", "outer/inner"])


def test_a_start_hook_that_fails_at_the_start_ends_currantd_with_one_text(world: World) -> None:
    (world.folder / "fail_start").touch()
    node = world.start("--procs", "3", module=MODULE)
    assert node.process.wait(60) == 1
    assert "currantd: error: the start hook hooked_jobs.load_model (" in node.log
    assert node.log.count("failed: ValueError: no model here") == 1
    assert node.log.count("Traceback") == 1
    # The user's lines, not ours.
    assert 'raise ValueError("no model here")' in node.log
    assert "currant/" not in node.log
    assert "loading from the usual place" in node.log
    assert not _count(node, Event.CHILD_DIED)
    # What came after it did not run, nor a stop hook.
    assert set(_told(world)) == set(START[:2])
    assert world.rows("SELECT count(*) FROM worker_heartbeats WHERE status = 'running'") == [(0,)]


def test_a_start_hook_that_exits_is_told_as_well(world: World) -> None:
    (world.folder / "exit_start").touch()
    node = world.start("--procs", "1", module=MODULE)
    assert node.process.wait(60) == 1
    assert "failed: SystemExit: 3" in node.log


def test_a_start_hook_that_hangs_meets_the_deadline(world: World) -> None:
    (world.folder / "hang_start").touch()
    node = world.start("--procs", "1", module=MODULE, CURRANT_BOOT_TIMEOUT_S="10")
    eventually(lambda: "not ready, start hooks included, within 10 s (CURRANT_BOOT_TIMEOUT_S)" in node.log)
    (world.folder / "hang_start").unlink()
    node.ready()
    assert _outcome(world, "uses_pool")[0] == "completed"


def test_a_start_hook_that_fails_later_is_logged_and_tried_again(world: World) -> None:
    node = world.node("--procs", "1", module=MODULE)
    (world.folder / "fail_start").touch()
    os.kill(node.children()[0], signal.SIGKILL)
    eventually(lambda: _count(node, Event.START_HOOK_FAILED) >= 3)
    assert node.process.poll() is None
    # The traceback once, the reason each time.
    assert node.log.count("Traceback") == 1
    assert node.log.count("no model here") >= 3
    (world.folder / "fail_start").unlink()
    assert _outcome(world, "uses_pool")[0] == "completed"
    assert node.stop() == 0


# Stop hooks


def test_stop_hooks_run_at_a_drain_in_reverse_order_when_nothing_runs_any_more(world: World) -> None:
    node = world.node("--procs", "2", module=MODULE)
    children = eventually(lambda: pids if len(pids := node.children()) == 2 else None)
    eventually(lambda: len(_told(world)) == 6)
    world.enqueue(f"{MODULE}.lasting", 0.5, count=2)
    eventually(lambda: _told(world).count("begin") == 2)
    assert node.stop() == 0
    assert world.states() == {"completed": 2}
    for pid in children:
        told = _told(world, pid)
        assert told[-3:] == ["say_goodbye", "report", "close_pool 1"]
        assert told.count("begin") == told.count("end")
    assert not _count(node, Event.CHILD_DIED)
    assert not _count(node, Event.STOP_HOOKS_CUT)
    assert world.rows("SELECT count(*) FROM worker_heartbeats WHERE status = 'running'") == [(0,)]


def test_a_stop_hook_that_fails_is_told_and_the_next_one_runs(world: World) -> None:
    (world.folder / "fail_stop").touch()
    node = world.node("--procs", "1", module=MODULE)
    assert node.stop() == 0
    assert _told(world)[-3:] == ["say_goodbye", "report", "close_pool 1"]
    assert "the stop hook hooked_jobs.report (" in node.log
    assert "RuntimeError: nobody to report to" in node.log


def test_a_second_signal_hurries_stop_hooks_that_hang(world: World) -> None:
    (world.folder / "slow_stop").touch()
    node = world.node("--procs", "1", module=MODULE)
    node.send(signal.SIGTERM)
    eventually(lambda: "say_goodbye" in _told(world))
    assert node.stop() == 0
    assert _count(node, Event.STOP_HOOKS_CUT) == 1
    assert "report" not in _told(world)


def test_stop_hooks_that_hang_do_not_keep_a_node_from_its_end(world: World) -> None:
    (world.folder / "slow_stop").touch()
    node = world.node("--procs", "1", module=MODULE)
    assert node.stop() == 0
    assert _count(node, Event.STOP_HOOKS_CUT) == 1


def test_a_stop_hook_that_ends_its_child_is_told(world: World) -> None:
    (world.folder / "crash_stop").touch()
    node = world.node("--procs", "1", module=MODULE)
    assert node.stop() == 0
    assert _count(node, Event.STOP_HOOKS_CUT) == 1
    assert "SIGKILL" in node.log


def test_stop_hooks_run_also_after_executions_that_a_drain_cut_off(world: World) -> None:
    node = world.node("--procs", "1", "--grace", "0", module=MODULE)
    (id,) = world.enqueue(f"{MODULE}.lasting", 3600)
    eventually(lambda: "begin" in _told(world))
    assert node.stop() == 0
    assert _told(world)[-4:] == ["end", "say_goodbye", "report", "close_pool 1"]
    row = world.row(id)
    assert (row["status"], row["attempt"]) == ("pending", 0)


# Middleware


def test_middleware_sees_what_a_job_raises_and_may_let_it_pass_change_it_or_swallow_it(world: World) -> None:
    world.node("--procs", "1", module=MODULE)
    status, error = _outcome(world, "raising", "value")
    assert (status, error["type"], error["message"]) == ("failed", "ValueError", "z")
    assert "currant/" not in error["traceback"]
    assert "contextlib" not in error["traceback"]
    status, error = _outcome(world, "raising", "arithmetic")
    assert (status, error["type"], error["message"]) == ("failed", "RuntimeError", "changed: y")
    assert "ZeroDivisionError: y" in error["traceback"]
    assert _outcome(world, "raising", "lookup") == ("completed", None)
    assert "swallowed" in _told(world)


def test_middleware_that_fails_before_the_job_is_the_executions_failure(world: World) -> None:
    world.node("--procs", "1", module=MODULE)
    status, error = _outcome(world, "refused")
    assert (status, error["type"], error["message"]) == ("failed", "PermissionError", "not this one")
    # From the user's first line on.
    assert "hooked_jobs.py" in error["traceback"].splitlines()[1]
    assert "contextlib" not in error["traceback"]
    assert "refused ran" not in _told(world)


def test_within_middleware_too_whatever_is_raised_ends_only_its_execution(world: World) -> None:
    node = world.node("--procs", "1", module=MODULE)
    (child,) = node.children()
    for function in ("raising", "raising_in_a_task"):
        for kind in ("exit", "generator", "cancelled"):
            assert _outcome(world, function, kind)[0] == "failed"
    assert _outcome(world, "uses_pool")[0] == "completed"
    assert node.children() == [child]


def test_middleware_counts_towards_the_timeout(world: World) -> None:
    world.node("--procs", "1", module=MODULE)
    status, error = _outcome(world, "lasting", 3600, timeout_s=1)
    assert (status, error["type"]) == ("failed", "Timeout")
    assert _told(world)[-1] == "end"
