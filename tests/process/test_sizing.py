"""SIGTTIN and SIGTTOU: one child more, one child less, under load."""

from signal import SIGTTIN, SIGTTOU

from tests.nodes import Node, World, eventually


def _ready(node: Node) -> list[int]:
    return [child.child for child in node.status().children if child.state == "ready"]


def test_a_node_grows_and_shrinks_under_load_and_nothing_is_lost_or_run_twice(world: World) -> None:
    node = world.node("--procs", "1", "--concurrency", "4")
    ids = world.enqueue("sleeper", 0.05, count=400)
    for places in ([0, 1], [0, 1, 2]):
        node.send(SIGTTIN)
        eventually(lambda places=places: _ready(node) == places)  # type: ignore[misc]
    # The first ones may be done by now.
    ids += world.enqueue("sleeper", 0.05, count=400)
    eventually(lambda: len({run.pid for run in world.runs()}) == 3)
    for places in ([0, 1], [0]):
        node.send(SIGTTOU)
        eventually(lambda places=places: [each.child for each in node.status().children] == places)  # type: ignore[misc]
    # The last one stays.
    node.send(SIGTTOU)
    eventually(lambda: node.told("place kept"))
    node.send(SIGTTIN)
    eventually(lambda: _ready(node) == [0, 1])
    assert world.at_rest() == {"completed": len(ids)}
    world.check_ledger(len(ids))
    assert node.status().child_deaths == 0
    assert len(node.told("place closed")) == 2
    assert node.stop() == 0
