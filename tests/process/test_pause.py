"""Queues that are paused: on every node, by a command that needs the database alone."""

import json

import typer
from typer.testing import CliRunner

from currant.cli import currantctl, main
from tests.nodes import World, eventually


def says(url: str | None, app: typer.Typer, *args: str, code: int = 0) -> str:
    """Runs a command in this process; returns what it prints, and what it complains of after that."""
    done = CliRunner().invoke(app, args, env={"CURRANT_DATABASE_URL": url})
    assert done.exit_code == code, done.output
    return done.stdout + done.stderr


def test_two_nodes_start_nothing_of_a_paused_queue_until_it_is_resumed(world: World) -> None:
    nodes = [world.node("--procs", "1", "-q", "test,other", module="inside") for _ in range(2)]
    claimed = world.enqueue("gated", count=2)
    world.begun(claimed)
    assert says(world.url, currantctl.app, "pause", "test", "--reason", "the mail server is down") == "paused test\n"
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

    (other, test) = json.loads(says(world.url, main.app, "queues", "--json"))
    assert (other["name"], other["pause"]) == ("other", None)
    assert (test["name"], test["pending"], test["pause"]["reason"]) == ("test", 16, "the mail server is down")
    assert "the mail server is down" in says(world.url, main.app, "queues")
    assert "already" in says(world.url, currantctl.app, "pause", "test", "--reason", "again")
    runtime_dir = str(nodes[0].folder / "run")
    assert "test (paused)" in says(None, currantctl.app, "status", "--runtime-dir", runtime_dir)

    assert "the mail server is down" in says(world.url, currantctl.app, "resume", "test")
    assert world.at_rest() == {"completed": 19}
    assert {run.id for run in world.runs()} >= set(waiting)
    assert nodes[0].status().paused == nodes[1].status().paused == []
    world.check_ledger(19)


def test_a_node_knows_of_a_pause_from_its_start_on_and_finds_by_its_tick_what_it_was_not_told(world: World) -> None:
    world.rows("INSERT INTO paused_queues (name, paused_by) VALUES ('test', 'x') RETURNING 1")
    world.enqueue("echo", count=3)
    node = world.node("--procs", "1", "-q", "test")
    assert node.status().paused == ["test"]
    assert '"queues paused"' in node.log
    assert world.states() == {"pending": 3}
    # Nor is the database asked for it.
    assert "claim" not in node.status().statements
    # Nobody is notified of this.
    world.rows("DELETE FROM paused_queues RETURNING 1")
    assert world.at_rest() == {"completed": 3}
    assert node.status().paused == []


def test_a_name_that_nobody_knows_is_paused_with_a_warning_and_not_resumed_without_an_error(url: str) -> None:
    said = says(url, currantctl.app, "pause", "emial")
    assert said.startswith("paused emial\n")
    assert "warning: no node serves the queue emial, and nothing waits in it" in said
    assert "paused are: emial" in says(url, currantctl.app, "resume", "email", code=1)
    assert json.loads(says(url, currantctl.app, "resume", "emial", "--json"))["pause"]["queue"] == "emial"
    for name in ("", "currant:x", "x" * 64):
        assert "a queue's name must" in says(url, currantctl.app, "pause", name, code=2)
    assert "must be a text of 1 to 500 characters" in says(
        url, currantctl.app, "pause", "q", "--reason", "x" * 501, code=2
    )
    assert "no database is named" in says(None, currantctl.app, "pause", "q", code=2)
