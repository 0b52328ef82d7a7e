"""Schedules on real nodes: each moment once, whoever fires it, whatever happens meanwhile."""

import os
import signal
import statistics
import subprocess
import sys
from typing import NamedTuple

from tests.nodes import JOBS, Node, World, eventually
from tests.process.test_calm import Watch

YEARLY = "0 0 1 1 *"


class Moment(NamedTuple):
    """An execution of the schedule: the moment that it was for, and when it was enqueued, in Unix time."""

    scheduled_s: float
    created_s: float


def moments(world: World) -> list[Moment]:
    found = world.rows(
        "SELECT extract(epoch FROM (options ->> 'scheduled_for')::timestamptz)::float8,"
        " extract(epoch FROM created_at)::float8"
        " FROM executions WHERE function_name = 'cron_jobs.regular' ORDER BY created_at"
    )
    return [Moment(*row) for row in found]


def one_each(found: list[Moment]) -> bool:
    return len({each.scheduled_s for each in found}) == len(found)


def more_than(world: World, count: int) -> list[Moment]:
    return eventually(lambda: len(found := moments(world)) > count and found)  # type: ignore[no-any-return]


def node_of(world: World, cron: str = "* * * * * *", timezone: str = "Europe/Berlin") -> Node:
    """Starts a node and waits until its schedule is known."""
    node = world.node("--procs", "1", module="cron_jobs", TEST_CRON=cron, TEST_TIMEZONE=timezone)
    eventually(lambda: world.rows("SELECT FROM schedules WHERE (cron, timezone) = (%s, %s)", cron, timezone))
    return node


def test_four_nodes_run_each_moment_once(world: World) -> None:
    nodes = [world.start("--procs", "1", module="cron_jobs") for _ in range(4)]
    for node in nodes:
        node.ready()
    found = more_than(world, len(moments(world)) + 5)
    assert one_each(found)
    # In order and none before its time. Where the machine was too slow for a second, it is left out.
    assert found == sorted(found)
    late_ms = [1000 * (each.created_s - each.scheduled_s) for each in found]
    print(f"after their moment, ms: median {statistics.median(late_ms):.1f}, at most {max(late_ms):.1f}")
    assert min(late_ms) >= 0
    for node in nodes:
        assert node.stop() == 0
    states = world.rows("SELECT DISTINCT status, attempt, priority, result FROM executions WHERE status <> 'pending'")
    assert states == [("completed", 1, 8, "regular")]


def test_moments_missed_in_a_downtime_are_run_once_and_at_once_and_then_on_schedule(world: World) -> None:
    node = node_of(world)
    more_than(world, 1)
    assert node.stop() == 0
    before = len(moments(world))
    # Three more seconds without a node.
    ((due_s,),) = world.rows("SELECT extract(epoch FROM next_run_at)::float8 FROM schedules")
    eventually(lambda: world.rows("SELECT FROM schedules WHERE next_run_at < now() - interval '3 s'"))
    node_of(world)
    made_up, following, *_ = more_than(world, before + 1)[before:]
    assert made_up.scheduled_s == due_s
    assert made_up.created_s > due_s + 3
    assert following.scheduled_s > made_up.created_s
    assert one_each(moments(world))


def test_a_schedule_that_was_over_for_years_runs_once(world: World) -> None:
    assert node_of(world, YEARLY).stop() == 0
    assert moments(world) == []
    world.rows("UPDATE schedules SET next_run_at = '2020-01-01 00:00+01' RETURNING 1")
    node_of(world, YEARLY)
    more_than(world, 0)
    assert world.at_rest() == {"completed": 1}
    assert world.rows("SELECT next_run_at > now() FROM schedules") == [(True,)]


def test_a_moment_that_someone_moves_is_noticed_by_nodes_that_run(world: World) -> None:
    node_of(world, YEARLY)
    world.rows("UPDATE schedules SET next_run_at = now() RETURNING 1")
    more_than(world, 0)
    assert world.at_rest() == {"completed": 1}


def test_the_node_that_started_last_says_when_and_the_others_follow_it_also_when_it_is_gone(world: World) -> None:
    node_of(world, YEARLY)
    new = node_of(world)
    more_than(world, 2)
    new.send(signal.SIGKILL)
    new.process.wait()
    count = len(moments(world))
    assert one_each(more_than(world, count + 3))
    # A node with the old expression comes back: it is the last now.
    node_of(world, YEARLY)
    found = moments(world)
    ((now_s,),) = world.rows("SELECT extract(epoch FROM now())::float8")
    eventually(lambda: world.rows("SELECT now() > to_timestamp(%s + 2.5)", now_s) == [(True,)])
    assert moments(world) == found
    assert one_each(found)


def test_a_changed_expression_or_time_zone_begins_anew_without_a_run(world: World) -> None:
    assert node_of(world, YEARLY).stop() == 0
    world.rows("UPDATE schedules SET next_run_at = now() - interval '1 h' RETURNING 1")
    node_of(world, YEARLY, "Asia/Tokyo")
    text = "SELECT to_char(next_run_at AT TIME ZONE 'Asia/Tokyo', 'MM-DD HH24:MI'), timezone FROM schedules"
    assert eventually(lambda: (found := world.rows(text)) and found[0][1] == "Asia/Tokyo" and found) == [
        ("01-01 00:00", "Asia/Tokyo")
    ]
    assert moments(world) == []


def test_a_removed_schedule_is_not_fired_any_more_by_nodes_that_run(world: World) -> None:
    node = node_of(world)
    more_than(world, 0)
    world.rows("DELETE FROM schedules RETURNING 1")
    count = len(moments(world))
    ((now_s,),) = world.rows("SELECT extract(epoch FROM now())::float8")
    eventually(lambda: world.rows("SELECT now() > to_timestamp(%s + 2.5)", now_s) == [(True,)])
    assert len(moments(world)) == count
    assert world.rows("SELECT FROM schedules") == []
    # And the node goes on.
    world.enqueue("cron_jobs.other")
    assert set(world.at_rest()) == {"completed"}
    assert node.process.poll() is None


def test_lost_connections_only_delay_the_moments(world: World) -> None:
    node_of(world)
    node_of(world)
    for _ in range(4):
        more_than(world, len(moments(world)))
        world.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'currantd:%'")
    assert one_each(more_than(world, len(moments(world)) + 2))


def test_a_node_whose_schedule_is_far_away_sends_nothing_but_its_ticks(world: World) -> None:
    watch = Watch(world)
    node_of(world, YEARLY)
    # Two or three ticks.
    assert watch.sends(range(1, 4), seconds=12)


def test_a_bad_expression_is_told_at_the_start_and_not_run(world: World) -> None:
    environment = {
        **os.environ,
        "CURRANT_DATABASE_URL": world.url,
        "CURRANT_RUNTIME_DIR": str(world.folder / "run"),
        "PYTHONPATH": JOBS,
        "TEST_CRON": "@hourly",
    }
    command = [sys.executable, "-m", "currant.cli.currantd", "-m", "cron_jobs"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode != 0
    assert "cron must have five fields" in ended.stderr
