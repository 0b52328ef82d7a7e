"""What a node says of its processes: their stacks, and how late their event loops are."""

import signal

from tests.nodes import World, eventually


def test_sigusr1_writes_all_stacks_to_the_log(world: World) -> None:
    node = world.node("--procs", "2", "--concurrency", "4")
    eventually(lambda: [child.state for child in node.status().children] == ["ready"] * 2)
    world.begun(world.enqueue("sync_sleeper", 600))
    for number in range(1, 6):
        node.send(signal.SIGUSR1)
        eventually(lambda number=number: len(node.told("stacks")) == 3 * number)  # type: ignore[misc]
        # A child that the machine did not let run for 2 s has none to tell.
        if "none within" not in node.log:
            break
    assert "in sync_sleeper" in node.log
    assert "Task claimer: " in node.log
    assert node.status().phase == "running"


def test_status_shows_how_late_a_childs_loop_was_lately(world: World) -> None:
    node = world.node("--procs", "1")
    world.begun(world.enqueue("blocking"))
    eventually(lambda: node.status().children[0].lag_s > 0.5)
    world.open_gate()
    world.at_rest()
    eventually(lambda: node.status().children[0].stalled_s is None)
    # For a while it is still told.
    assert node.status().children[0].lag_s > 0.3
