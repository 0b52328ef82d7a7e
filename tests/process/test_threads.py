"""Synchronous functions in real children: concurrent under the limit, and what hangs costs its child alone."""

from tests.nodes import Run, World, eventually


def _most_at_once(starts: list[Run], ends: list[Run]) -> int:
    """Returns how many ran at the same time, at most."""
    most = now = 0
    for _, step in sorted([(run.at, 1) for run in starts] + [(run.at, -1) for run in ends]):
        now += step
        most = max(most, now)
    return most


def test_synchronous_functions_run_side_by_side_up_to_the_limit(world: World) -> None:
    world.node("--procs", "1", "--concurrency", "12")
    ids = world.enqueue("sync_sleeper", 0.5, count=36)
    assert world.at_rest() == {"completed": 36}
    assert _most_at_once(world.runs(), world.runs("end")) in range(6, 13)
    names = {world.row(id)["result"] for id in ids}
    assert names <= {f"currant-0_{number}" for number in range(12)}
    world.check_ledger(36)


def test_coroutines_and_threads_share_the_slots(world: World) -> None:
    world.node("--procs", "1", "--concurrency", "6")
    world.enqueue("sync_sleeper", 0.3, count=12)
    world.enqueue("sleeper", 0.3, count=12)
    assert world.at_rest() == {"completed": 24}
    assert _most_at_once(world.runs(), world.runs("end")) in range(3, 7)


def test_a_thread_that_hangs_past_its_timeout_costs_its_child_and_is_retried_elsewhere(world: World) -> None:
    node = world.node("--procs", "2", "--concurrency", "4")
    # Both are ready, so that each gets two of the neighbours.
    eventually(lambda: [child.state for child in node.status().children] == ["ready"] * 2)
    neighbours = world.enqueue("sleeper", 2.5, count=4)
    eventually(lambda: len(world.runs()) == 4)
    (hanging,) = world.enqueue("sync_hanging", 2, max_retries=1, timeout_s=1)
    eventually(lambda: any(run.id == hanging for run in world.runs()))
    (first,) = (run for run in world.runs() if run.id == hanging)
    beside = [run for run in world.runs() if run.pid == first.pid and run.id != hanging]
    assert beside
    # Once it is known, no new work goes to it.
    eventually(lambda: (first.pid, "ready") not in [(child.pid, child.state) for child in node.status().children])
    later = world.enqueue("echo", count=50)
    assert world.at_rest() == {"completed": 55}
    assert not [run for run in world.runs() if run.id in later and run.pid == first.pid]
    (_, again) = (run for run in world.runs() if run.id == hanging)
    assert again.pid != first.pid
    row = world.row(hanging)
    assert (row["attempt"], row["crashes"], row["result"]) == (2, 0, "at last")
    # The neighbours ended undisturbed, and before the child was replaced.
    assert {run.id for run in world.runs("end")} == set(neighbours)
    assert again.at > max(run.at for run in world.runs("end") if run.pid == first.pid)
    world.check_ledger(55, twice=[hanging])
    assert node.told("child replaced")
    assert not node.told("child died")
    status = node.status()
    assert (status.child_deaths, status.executions["crashed"], status.executions["retried"]) == (0, 0, 1)


def test_a_thread_that_always_hangs_is_a_dead_letter_that_says_so(world: World) -> None:
    node = world.node("--procs", "1", "--concurrency", "4")
    (id,) = world.enqueue("sync_hanging", 9, max_retries=1, timeout_s=1)
    assert world.at_rest() == {"failed": 1}
    row = world.row(id)
    assert (row["attempt"], row["crashes"], row["error"]["type"]) == (2, 0, "Timeout")
    assert row["error"]["message"] == (
        "ran longer than its timeout of 1 s; it could not be cancelled, and its child process was replaced"
    )
    ((reason,),) = world.rows("SELECT failure_reason FROM dead_letter_queue")
    assert reason == "failed in its last attempt (2 of 2)"
    assert len({run.pid for run in world.runs()}) == 2
    # A replaced child is no failure: the next comes at once, and works.
    world.enqueue("echo")
    assert world.at_rest() == {"failed": 1, "completed": 1}
    assert node.status().child_deaths == 0


def test_a_thread_that_ends_after_its_timeout_has_failed_and_its_child_goes_on(world: World) -> None:
    node = world.node("--procs", "1", "--concurrency", "4")
    (child,) = node.children()
    (neighbour,) = world.enqueue("gated")
    (id,) = world.enqueue("sync_sleeper", 3, max_retries=0, timeout_s=1)
    eventually(lambda: world.states()["failed"])
    world.open_gate()
    assert world.at_rest() == {"completed": 1, "failed": 1}
    row = world.row(id)
    assert row["error"] == {"type": "Timeout", "message": "ran longer than its timeout of 1 s"}
    assert world.row(neighbour)["status"] == "completed"
    world.enqueue("echo")
    assert world.at_rest() == {"completed": 2, "failed": 1}
    assert node.children() == [child]


def test_after_the_grace_the_neighbours_of_a_hanging_thread_are_released_uncounted(world: World) -> None:
    world.node("--procs", "1", "--concurrency", "4", "--grace", "0.5")
    (long,) = world.enqueue("gated", max_retries=0)
    (hanging,) = world.enqueue("sync_hanging", 9, max_retries=0, timeout_s=1)
    world.begun([long], times=2)
    world.open_gate()
    assert world.at_rest() == {"completed": 1, "failed": 1}
    row = world.row(long)
    assert (row["attempt"], row["crashes"]) == (1, 0)
    assert len({run.pid for run in world.runs() if run.id == long}) == 2
    world.check_ledger(2, twice=[long])
    assert world.row(hanging)["error"]["type"] == "Timeout"


def test_a_drain_waits_for_threads_for_the_grace_and_then_releases_them(world: World) -> None:
    node = world.node("--procs", "1", "--concurrency", "4", "--grace", "4")
    (quick,) = world.enqueue("sync_sleeper", 1)
    (slow,) = world.enqueue("sync_sleeper", 600)
    eventually(lambda: len(world.runs()) == 2)
    assert node.stop() == 0
    assert world.row(quick)["status"] == "completed"
    row = world.row(slow)
    assert (row["status"], row["attempt"], row["crashes"]) == ("pending", 0, 0)
    assert not node.descendants()
