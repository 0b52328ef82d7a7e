"""What a node says of itself: statements by name, and how busy its children's slots are."""

from tests.nodes import World, eventually


def test_a_slot_is_seen_to_be_busy_without_a_message_of_the_childs(world: World) -> None:
    node = world.node("--procs", "1", "--concurrency", "2")
    world.begun(world.enqueue("gated"))
    (first,) = node.status().children
    eventually(lambda: node.status().children[0].busy_slot_s > first.busy_slot_s + 0.5)
    world.open_gate()
    world.at_rest()
    (last,) = node.status().children
    assert node.status().children[0].busy_slot_s == last.busy_slot_s > 0.5
    assert node.status().children[0].slot_s > last.slot_s


def test_statements_are_counted_by_name(world: World) -> None:
    node = world.node("--procs", "1")
    world.enqueue("echo", 1, count=300)
    world.at_rest()
    use = node.status().statements
    assert sum(use[name].rows for name in use if name.startswith("claim")) == use["complete"].rows == 300
    assert use["register"].calls == 1
    assert use["connect"].calls >= 3
    assert use.keys() >= {"session", "listen", "prepare", "schema_latest", "tick"}
    assert all(each.calls >= 1 and each.seconds >= 0 for each in use.values())


def test_losses_of_connections_are_counted(world: World) -> None:
    node = world.node("--procs", "1")
    world.enqueue("echo", 1)
    world.at_rest()
    world.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'currantd:listen'")
    eventually(lambda: node.status().connection_errors >= 1)
    eventually(lambda: node.status().statements["listen"].calls >= 2)
    eventually(lambda: node.status().connections_lost == {})
