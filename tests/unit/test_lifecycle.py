"""The state machine of a node's life: each transition, and that whatever is asked for, a drain ends."""

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from currant.supervisor.lifecycle import ENDING, NODE_ENDS, TRANSITIONS, Lifecycle, Phase
from tests.support import in_loop


class Node:
    """A lifecycle, and what it told."""

    def __init__(self, phase: Phase = Phase.STARTING) -> None:
        self.steps: list[tuple[Phase, Phase]] = []
        self.reloads = 0
        self.told: list[str | None] = []
        self.lifecycle = Lifecycle(changed=lambda before, now: self.steps.append((before, now)), reload=self._reload)
        for step in PATHS[phase]:
            step(self.lifecycle)
        assert self.lifecycle.phase is phase
        self.steps.clear()

    def _reload(self) -> None:
        self.reloads += 1


Ask = Callable[[Lifecycle], None]

PATHS: dict[Phase, list[Ask]] = {
    Phase.STARTING: [],
    Phase.RUNNING: [Lifecycle.started],
    Phase.DEGRADED: [Lifecycle.started, lambda life: life.degrade("children", "none can be forked")],
    Phase.RELOADING: [Lifecycle.started, Lifecycle.ask_reload],
    Phase.DRAINING: [Lifecycle.started, lambda life: life.ask_drain("SIGTERM")],
    Phase.HURRYING: [Lifecycle.started, lambda life: life.ask_drain("SIGTERM"), Lifecycle.hurry],
    Phase.QUITTING: [lambda life: life.ask_quit("SIGQUIT")],
    Phase.STOPPED: [Lifecycle.stopped],
}

REQUESTS: dict[str, Ask] = {
    "started": Lifecycle.started,
    "drain": lambda life: life.ask_drain("SIGTERM"),
    "hurry": Lifecycle.hurry,
    "quit": lambda life: life.ask_quit("SIGQUIT"),
    "reload": Lifecycle.ask_reload,
    "reloaded": lambda life: life.reload_over(None),
    "reload failed": lambda life: life.reload_over("SyntaxError"),
    "degrade": lambda life: life.degrade("children", "none can be forked"),
    "recover": lambda life: life.recover("children"),
    "stopped": Lifecycle.stopped,
}

S, R, DE, RE, DR, H, Q, X = Phase


@pytest.mark.parametrize(
    ("request_", "leads_to"),
    [
        # In the order of the phases: STARTING, RUNNING, DEGRADED, RELOADING, DRAINING, HURRYING, QUITTING, STOPPED.
        ("started", [R, R, DE, RE, DR, H, Q, X]),
        ("drain", [DR, DR, DR, DR, DR, H, Q, X]),
        ("hurry", [S, R, DE, RE, H, H, Q, X]),
        ("quit", [Q, Q, Q, Q, Q, Q, Q, X]),
        ("reload", [S, RE, RE, RE, DR, H, Q, X]),
        ("reloaded", [S, R, DE, R, DR, H, Q, X]),
        ("reload failed", [S, R, DE, R, DR, H, Q, X]),
        ("degrade", [S, DE, DE, RE, DR, H, Q, X]),
        ("recover", [S, R, R, RE, DR, H, Q, X]),
        ("stopped", [X, X, X, X, X, X, X, X]),
    ],
)
def test_each_request_leads_from_each_phase_where_it_should(request_: str, leads_to: list[Phase]) -> None:
    for phase, then in zip(Phase, leads_to, strict=True):
        node = Node(phase)
        REQUESTS[request_](node.lifecycle)
        assert node.lifecycle.phase is then, f"{request_} in {phase}"
        assert node.steps == ([(phase, then)] if phase is not then else [])


@given(st.lists(st.sampled_from(list(REQUESTS)), max_size=60))
def test_whatever_is_asked_for_each_step_is_allowed_and_an_end_that_began_ends(requests: list[str]) -> None:
    node = Node()
    life = node.lifecycle
    for request in requests:
        was_ending = life.ending
        REQUESTS[request](life)
        assert not was_ending or life.ending
        assert life.ending == (life.phase in ENDING)
        assert life.quit_asked == (life.phase in (Phase.QUITTING, Phase.STOPPED))
        assert (life.phase is Phase.DEGRADED) <= bool(life.degraded)
    life.ask_drain("SIGTERM")
    life.hurry()
    life.stopped()
    assert life.phase is Phase.STOPPED
    assert all(now in TRANSITIONS[before] for before, now in node.steps)
    assert [before for before, _ in node.steps] == [Phase.STARTING, *(now for _, now in node.steps[:-1])]
    # Each phase of the end at most once, in this order.
    ends = [now for _, now in node.steps if now in ENDING]
    assert ends == [phase for phase in Phase if phase in ends]


def test_the_first_who_asks_for_the_end_is_the_reason() -> None:
    life = Node(Phase.RUNNING).lifecycle
    life.ask_drain("SIGINT")
    life.ask_drain("SIGTERM")
    life.ask_quit("SIGQUIT")
    assert life.why_ending == "SIGINT"


def test_what_is_lacking_at_the_start_is_seen_when_it_is_over_and_until_all_of_it_is_mended() -> None:
    node = Node()
    node.lifecycle.degrade("place 0", "cannot fork")
    node.lifecycle.degrade("place 1", "cannot fork")
    node.lifecycle.started()
    node.lifecycle.recover("place 0")
    assert node.lifecycle.degraded == {"place 1": "cannot fork"}
    node.lifecycle.ask_reload()
    node.lifecycle.recover("place 1")
    node.lifecycle.reload_over(None)
    assert [now for _, now in node.steps] == [Phase.DEGRADED, Phase.RELOADING, Phase.RUNNING]


def test_a_reload_waits_for_the_start_and_for_the_one_under_way() -> None:
    node = Node()
    life = node.lifecycle
    life.ask_reload(lambda error: node.told.append(f"first: {error}"))
    assert (life.phase, node.reloads) == (Phase.STARTING, 0)
    life.started()
    assert (life.phase, node.reloads) == (Phase.RELOADING, 1)
    # The code may have changed since the first began to read it.
    life.ask_reload(lambda error: node.told.append(f"second: {error}"))
    life.ask_reload(lambda error: node.told.append(f"third: {error}"))
    assert (node.reloads, node.told) == (1, [])
    life.reload_over("SyntaxError")
    assert (life.phase, node.reloads, node.told) == (Phase.RELOADING, 2, ["first: SyntaxError"])
    life.reload_over(None)
    assert (life.phase, node.reloads) == (Phase.RUNNING, 2)
    assert node.told[1:] == ["second: None", "third: None"]


def test_those_who_wait_for_a_reload_hear_of_the_end() -> None:
    node = Node(Phase.RELOADING)
    node.lifecycle.ask_reload(node.told.append)
    node.lifecycle.ask_drain("SIGTERM")
    node.lifecycle.ask_reload(node.told.append)
    assert node.told == [NODE_ENDS, NODE_ENDS]
    node.lifecycle.reload_over(None)
    assert (node.lifecycle.phase, node.reloads) == (Phase.DRAINING, 1)


@in_loop
async def test_work_is_cancelled_and_over_when_the_end_is_asked_for() -> None:
    life = Node().lifecycle
    over: list[str] = []

    async def work() -> str:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            over.append("closed")
        return "never"

    waiting = asyncio.ensure_future(life.unless_ending(work()))
    await asyncio.sleep(0)
    life.ask_drain("SIGTERM")
    assert await waiting is None
    assert over == ["closed"]


@in_loop
async def test_work_that_ends_first_is_returned_and_what_it_raises_is_raised() -> None:
    life = Node().lifecycle

    async def work(error: Exception | None = None) -> str:
        await asyncio.sleep(0)
        if error:
            raise error
        return "done"

    assert await life.unless_ending(work()) == "done"
    with pytest.raises(ValueError, match="broken"):
        await life.unless_ending(work(ValueError("broken")))


@in_loop
async def test_each_wish_is_heard_by_those_who_wait_for_it_or_for_less() -> None:
    life = Node().lifecycle
    waits = _wait_for_wishes(life)
    for ask, heard in [
        (Lifecycle.started, [False, False, False]),
        (REQUESTS["drain"], [True, False, False]),
        (REQUESTS["hurry"], [True, True, False]),
        (REQUESTS["quit"], [True, True, True]),
    ]:
        ask(life)
        # One turn of the loop for the event to wake them, one for them to end.
        for _ in range(2):
            await asyncio.sleep(0)
        assert [wait.done() for wait in waits] == heard


@in_loop
async def test_who_comes_to_wait_later_hears_of_a_wish_too() -> None:
    for phase in Phase:
        waits = _wait_for_wishes(Node(phase).lifecycle)
        await asyncio.sleep(0)
        assert [wait.done() for wait in waits] == [phase in ENDING, phase in (H, Q, X), phase in (Q, X)]


def _wait_for_wishes(life: Lifecycle) -> list[asyncio.Future[None]]:
    return [asyncio.ensure_future(wait()) for wait in (life.until_ending, life.until_hurried, life.until_quit)]
