"""Executions for later, on real nodes: on time, never early, once, and no burden to the heartbeat."""

import signal
import statistics
import time

from currant.supervisor.tick import TICK_S
from tests.nodes import World, eventually


def lags_ms(world: World, delay_s: float) -> list[float]:
    """Returns how long after their moments executions of that delay were claimed, by the database's clock."""
    found = world.rows(
        "SELECT extract(epoch FROM claimed_at - created_at)::float8 - %s FROM executions WHERE options ->> 'd' = %s",
        delay_s,
        str(delay_s),
    )
    return [1000 * lag for (lag,) in found]


def enqueue_in(world: World, delay_s: float, count: int = 1) -> list[str]:
    return world.enqueue("echo", count=count, delay_s=delay_s, options=f'{{"d": "{delay_s}"}}'.encode())


def test_on_an_idle_node_what_is_due_soon_starts_at_its_moment_and_never_before(world: World) -> None:
    world.node("--procs", "1")
    delays = [round(0.3 + 0.17 * number, 2) for number in range(10)]
    for delay_s in delays:
        enqueue_in(world, delay_s)
    assert world.at_rest() == {"completed": 10}
    lags = [lag for delay_s in delays for lag in lags_ms(world, delay_s)]
    print(f"after their moment, ms: median {statistics.median(lags):.1f}, at most {max(lags):.1f}: {sorted(lags)}")
    assert len(lags) == 10
    assert min(lags) >= 0
    # In order of magnitude: with the tick alone it would be seconds.
    assert min(lags) < 2000


def test_what_is_due_later_than_the_enqueue_tells_is_found_by_the_tick(world: World) -> None:
    world.node("--procs", "1")
    enqueue_in(world, 11.0)
    # Nothing else wakes the node, and no notification was sent.
    assert world.at_rest() == {"completed": 1}
    (lag,) = lags_ms(world, 11.0)
    assert lag >= 0
    # On a machine that does not run other tests beside this one, it is one tick at most.
    assert lag < 10 * 1000 * TICK_S


def test_a_moment_in_the_past_is_run_at_once(world: World) -> None:
    world.node("--procs", "1")
    world.enqueue("echo", run_at_s=time.time() - 3600)
    world.enqueue("echo", delay_s=0.0)
    assert world.at_rest() == {"completed": 2}


def test_a_delayed_execution_survives_the_nodes_restart(world: World) -> None:
    node = world.node("--procs", "1")
    enqueue_in(world, 5.0)
    node.send(signal.SIGKILL)
    node.process.wait()
    assert world.states() == {"scheduled": 1}
    world.node("--procs", "1", folder=node.folder)
    assert world.at_rest() == {"completed": 1}
    (lag,) = lags_ms(world, 5.0)
    assert lag >= 0
    world.check_ledger(1)


def test_what_fell_due_while_no_node_ran_is_run_by_the_next(world: World) -> None:
    enqueue_in(world, 0.2, count=5)
    time.sleep(0.3)
    assert world.states() == {"scheduled": 5}
    world.node("--procs", "1")
    assert world.at_rest() == {"completed": 5}


def test_two_nodes_run_what_both_are_awake_for_once(world: World) -> None:
    world.node("--procs", "1")
    world.node("--procs", "1")
    moment = time.time() + 1.5
    world.enqueue("echo", count=2000, run_at_s=moment)
    assert world.at_rest() == {"completed": 2000}
    world.check_ledger(2000)
    assert len(world.runs()) == 2000


def test_100_000_due_at_one_moment_do_not_hold_back_the_heartbeat(world: World) -> None:
    world.node("--procs", "2", "--concurrency", "64")
    world.rows(
        "INSERT INTO executions (id, type, function_name, queue, status, run_at)"
        " SELECT 'job_' || lpad(n::text, 28, '0'), 'job', 'jobs.elsewhere', 'other', 'scheduled',"
        " now() + interval '4 s' FROM generate_series(1, 100000) AS n RETURNING NULL"
    )
    began = time.monotonic()
    ages: list[float] = []

    def all_are_completed() -> bool:
        ((age_s, done),) = world.rows(
            "SELECT extract(epoch FROM clock_timestamp() - h.last_heartbeat)::float8,"
            " NOT EXISTS (SELECT FROM executions WHERE status <> 'completed') FROM worker_heartbeats AS h"
        )
        ages.append(age_s)
        time.sleep(0.1)
        return bool(done)

    eventually(all_are_completed, 600.0)
    print(f"in {time.monotonic() - began:.1f} s; the heartbeat's age at most {max(ages):.2f} s")
    # Short of the timeout after which other nodes would take it for dead.
    assert max(ages) < 30
    # A lease above 1: it waited for a slot for so long that it was given back, uncounted.
    assert world.rows("SELECT DISTINCT status, attempt FROM executions") == [("completed", 1)]
