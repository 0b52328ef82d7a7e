"""The settings by which an idea of the hot path is switched off, or made smaller: what is left of it in a real node."""

import pytest

from tests.nodes import World, eventually

_ALL = 60


def most_at_once(world: World, moment: str) -> int:
    """Returns the most executions with the same moment, which is that of their statement."""
    ((most,),) = world.rows(f"SELECT max(n) FROM (SELECT count(*) AS n FROM executions GROUP BY {moment}) AS s")
    return int(most)


@pytest.mark.parametrize(
    ("options", "claimed", "completed"),
    [
        (["--claim-batch=7"], 7, _ALL),
        (["--complete-batch=1"], _ALL, 1),
        # With it, a child that is so fast gets more than it has slots.
        (["--no-prefetch", "--concurrency=2"], 2, _ALL),
    ],
)
def test_a_statement_takes_no_more_than_it_may(world: World, options: list[str], claimed: int, completed: int) -> None:
    world.enqueue("echo", 1, count=_ALL)
    node = world.node("--procs=1", *options)
    world.at_rest()
    assert world.states() == {"completed": _ALL}
    assert most_at_once(world, "claimed_at") <= claimed
    assert most_at_once(world, "completed_at") <= completed
    use = node.status().statements
    assert sum(use[name].calls for name in use if name.startswith("claim")) >= _ALL / claimed
    assert use["complete"].calls >= _ALL / completed


def test_without_listen_work_is_looked_for_and_a_cancel_is_asked_for(world: World) -> None:
    node = world.node("--procs=1", "--poll=0.2")
    world.enqueue("echo", 1, count=3)
    world.at_rest()
    (running,) = world.enqueue("gated")
    world.begun([running])
    assert world.cancel(running) == {running}
    eventually(lambda: world.row(running)["status"] == "cancelled")
    assert node.status().executions["cancelled"] == 1
    use = node.status().statements
    assert "listen" not in use
    assert use["claim"].calls > 2


def test_a_setting_of_yes_or_no_has_two_options_and_a_variable(world: World) -> None:
    world.enqueue("echo", 1, count=_ALL)
    world.node("--procs=1", "--concurrency=2", CURRANT_PREFETCH="no")
    world.at_rest()
    assert most_at_once(world, "claimed_at") <= 2
