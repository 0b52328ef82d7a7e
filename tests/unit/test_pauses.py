"""What a node takes for paused: answers of the database, in the order of their questions, and news between them."""

import asyncio

from currant.cli.log import make_log
from currant.errors import StatementRefused
from currant.supervisor.pauses import PauseLook, Pauses
from tests.support import in_loop

QUEUES = ["a", "b"]


class Node:
    def __init__(self) -> None:
        self.opened = 0
        self.pauses = Pauses(opened=self._open, log=make_log("critical"))

    def _open(self) -> None:
        self.opened += 1

    def told(self, *paused: str) -> list[str]:
        """The database answers; returns what is open then."""
        self.pauses.answer(self.pauses.ask(), QUEUES, paused)
        return self.pauses.open_of(QUEUES)


def test_nothing_is_open_before_the_first_answer() -> None:
    node = Node()
    assert node.pauses.open_of(QUEUES) == []
    assert node.told() == QUEUES
    assert node.opened == 1


def test_a_paused_queue_is_closed_until_it_is_resumed_and_then_there_may_be_work() -> None:
    node = Node()
    assert node.told("a") == ["b"]
    assert node.pauses.paused == ["a"]
    assert node.told("a") == ["b"]
    assert node.opened == 1
    assert node.told() == QUEUES
    assert (node.opened, node.pauses.paused) == (2, [])


def test_all_of_them_may_be_paused() -> None:
    node = Node()
    assert node.told("a", "b") == []
    assert node.opened == 0


def test_an_answer_that_a_later_one_has_overtaken_does_not_count() -> None:
    node = Node()
    tick, look = node.pauses.ask(), node.pauses.ask()
    node.pauses.answer(look, QUEUES, ["a"])
    node.pauses.answer(tick, QUEUES, [])
    assert node.pauses.open_of(QUEUES) == ["b"]


def test_a_queue_that_the_node_did_not_serve_when_it_asked_is_closed() -> None:
    node = Node()
    node.told()
    assert node.pauses.open_of(["new", "b"]) == ["b"]


@in_loop
async def test_a_look_that_is_refused_is_told_and_the_next_one_is_made() -> None:
    looks: list[None] = []
    refusals: list[str] = []
    made = asyncio.Event()

    async def look() -> None:
        looks.append(None)
        made.set()
        if len(looks) == 1:
            raise StatementRefused("no right")

    part = PauseLook(look, refusals.append)
    task = asyncio.create_task(part.run())
    for count in (1, 2):
        made.clear()
        part.due()
        await made.wait()
        assert len(looks) == count
    assert refusals == ["no right"]
    task.cancel()
    await asyncio.wait([task])
