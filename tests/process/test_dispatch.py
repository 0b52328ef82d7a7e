"""Prefetch must never make work wait: what one child or one node cannot start, another does."""

from tests.nodes import World, eventually


def test_a_child_busy_with_long_work_holds_nothing_while_others_are_free(world: World) -> None:
    node = world.node("--procs", "2", "--concurrency", "2")
    # Both children show a quick pace, which makes them ask for a backlog.
    world.enqueue("echo", count=2000)
    world.at_rest()
    long = world.enqueue("gated", count=2)
    eventually(lambda: {run.id for run in world.runs()} >= set(long))
    world.enqueue("gated", count=1)
    eventually(lambda: len(world.runs()) == 2003)
    # Both are busy with long work, and one slot is left, whichever child has it. Quick ones pass through it, and none
    # waits behind the long ones for long.
    quick = world.enqueue("echo", count=50)
    eventually(lambda: {run.id for run in world.runs()} >= set(quick))
    assert eventually(lambda: world.states() == {"completed": 2050, "running": 3})
    assert eventually(lambda: sum(child.waiting for child in node.status().children) == 0)


def test_when_one_node_is_full_the_other_gets_the_work(world: World) -> None:
    full = world.node("--procs", "1", "--concurrency", "4")
    world.enqueue("echo", count=2000)
    world.at_rest()
    long = world.enqueue("gated", count=4)
    eventually(lambda: {run.id for run in world.runs()} >= set(long))
    world.node("--procs", "1", "--concurrency", "4")
    (busy,) = full.children()
    quick = world.enqueue("echo", count=20)
    eventually(lambda: {run.id for run in world.runs()} >= set(quick))
    runs = [run for run in world.runs() if run.id in quick]
    assert all(run.pid != busy for run in runs)


def test_a_backlog_behind_work_that_turned_long_moves_to_another_node(world: World) -> None:
    first = world.node("--procs", "1", "--concurrency", "4")
    # One stream of quick ones gives the child a pace and a backlog; then long ones take its slots.
    ids = world.enqueue("echo", count=4000, priority=9)
    long = world.enqueue("gated", count=4, priority=8)
    rest = world.enqueue("echo", count=400, priority=7)
    eventually(lambda: {run.id for run in world.runs()} >= {*ids, *long})
    world.node("--procs", "1", "--concurrency", "4")
    eventually(lambda: {run.id for run in world.runs()} >= set(rest))
    eventually(lambda: first.status().executions["completed"] >= 4000)
    assert world.rows("SELECT DISTINCT attempt FROM executions WHERE id = ANY (%s)", rest) == [(1,)]


def test_a_backlog_moves_to_a_free_slot_of_a_sibling(world: World) -> None:
    world.node("--procs", "2", "--concurrency", "4")
    world.enqueue("echo", count=4000, priority=9)
    world.enqueue("gated", count=6, priority=8)
    rest = world.enqueue("echo", count=400, priority=7)
    eventually(lambda: {run.id for run in world.runs()} >= set(rest))
