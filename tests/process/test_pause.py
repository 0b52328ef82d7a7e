"""Queues that are paused: on every node, by a command that needs the database alone."""

import json
from pathlib import Path

from tests.nodes import World, eventually
from tests.process.test_cli import CURRANT, CURRANTCTL, _run


def says(world: World, command: list[str], *args: str, code: int = 0) -> str:
    result = _run(command, *args, folder=world.folder, CURRANT_DATABASE_URL=world.url)
    assert result.returncode == code, result.stderr
    assert "Traceback" not in result.stderr, result.stderr
    return result.stdout + result.stderr


def test_two_nodes_start_nothing_of_a_paused_queue_until_it_is_resumed(world: World) -> None:
    nodes = [world.node("--procs", "1", "-q", "test,other", module="inside") for _ in range(2)]
    claimed = world.enqueue("gated", count=2)
    world.begun(claimed)
    assert says(world, CURRANTCTL, "pause", "test", "--reason", "the mail server is down") == "paused test\n"
    eventually(lambda: all(node.status().paused == ["test"] for node in nodes))
    waiting = world.enqueue("echo", count=10)
    world.enqueue("echo", delay_s=0.1)
    # Of another queue, and what it enqueues into the paused one.
    (parent,) = world.enqueue("inside.fan_out", 5, queue="other")
    eventually(lambda: world.row(parent)["status"] == "completed")
    # What was claimed before goes on.
    world.open_gate()
    eventually(lambda: world.states() == {"pending": 16, "completed": 3})
    assert {run.id for run in world.runs()} == {*claimed, parent}

    (other, test) = json.loads(says(world, CURRANT, "queues", "--json"))
    assert (other["name"], other["pause"]) == ("other", None)
    assert (test["name"], test["pending"], test["pause"]["reason"]) == ("test", 16, "the mail server is down")
    assert "the mail server is down" in says(world, CURRANT, "queues")
    assert "already" in says(world, CURRANTCTL, "pause", "test", "--reason", "again")
    assert "test (paused)" in _run(
        CURRANTCTL, "status", "--runtime-dir", str(nodes[0].folder / "run"), folder=world.folder
    ).stdout  # fmt: skip

    assert "the mail server is down" in says(world, CURRANTCTL, "resume", "test")
    assert world.at_rest() == {"completed": 19}
    assert {run.id for run in world.runs()} >= set(waiting)
    assert nodes[0].status().paused == nodes[1].status().paused == []
    world.check_ledger(19)


def test_a_pause_of_which_no_node_was_told_is_found_by_the_tick_and_one_from_before_its_start_too(world: World) -> None:
    world.rows("INSERT INTO paused_queues (name, paused_by) VALUES ('test', 'x') RETURNING 1")
    node = world.node("--procs", "1", "-q", "test")
    assert node.status().paused == ["test"]
    world.enqueue("echo", count=3)
    # By a tick, for nobody has told it.
    world.rows("DELETE FROM paused_queues RETURNING 1")
    assert world.at_rest() == {"completed": 3}
    world.rows("INSERT INTO paused_queues (name, paused_by) VALUES ('test', 'x') RETURNING 1")
    eventually(lambda: node.status().paused == ["test"])
    assert node.stop() == 0


def test_a_name_that_nobody_knows_is_paused_with_a_warning_and_not_resumed_without_an_error(
    world: World, tmp_path: Path
) -> None:
    said = says(world, CURRANTCTL, "pause", "emial")
    assert said.startswith("paused emial\n")
    assert "warning: no node serves the queue emial, and nothing waits in it" in said
    assert "paused are: emial" in says(world, CURRANTCTL, "resume", "email", code=1)
    assert json.loads(says(world, CURRANTCTL, "resume", "emial", "--json"))["pause"]["queue"] == "emial"
    for name in ("", "currant:x", "x" * 64):
        assert "a queue's name must" in says(world, CURRANTCTL, "pause", name, code=2)
    assert "must be a text of 1 to 500 characters" in says(
        world, CURRANTCTL, "pause", "q", "--reason", "x" * 501, code=2
    )
    nowhere = _run(CURRANTCTL, "pause", "q", folder=tmp_path)
    assert nowhere.returncode == 2
    assert "no database is named" in nowhere.stderr
