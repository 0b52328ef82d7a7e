"""What `status` and `top` show: rates of a span, tables that fit their terminal, and nothing that steers it."""

import io
from typing import Any

import msgspec
import pytest
from rich.console import Console, RenderableType

from currant.cli.ctl import views
from currant.cli.ctl.looks import ASK_DATABASE_S, Looks
from currant.cli.ctl.rates import percentile, rates
from currant.cli.ctl.status import status_page
from currant.cli.ctl.top import share, top_page
from currant.errors import NoSupervisor
from currant.protocol.status import ChildStatus, ErrorStatus, FunctionStatus, StatusReply, StatusRequest
from currant.protocol.timings import BOUNDS_S
from currant.records import StatementUse


def child(number: int, **changes: Any) -> ChildStatus:
    values: dict[str, Any] = {
        "child": number, "pid": 4_000 + number, "state": "ready", "slots": 16, "running": 3, "waiting": 0,
        "finished": 1_000, "id": number, "busy_slot_s": 40.0, "slot_s": 160.0, "cpu_s": 5.0, "memory_bytes": 90 << 20,
    }  # fmt: skip
    return ChildStatus(**{**values, **changes})


def function(name: str, runs: int, runs_s: float, **finished: int) -> FunctionStatus:
    buckets = [0] * (len(BOUNDS_S) + 1)
    buckets[3] = runs
    return FunctionStatus("mail", name, runs, runs, finished, 0, runs, 2.0 * runs, runs, runs_s, buckets)


ERROR = ErrorStatus(7.0, "job_1", "shop.mail", "mail", 1, "ValueError", "bad\n\x1b[31mnews " + 40 * "long ", None)
REPLY = StatusReply(
    node="node_1",
    pid=7,
    phase="running",
    uptime_s=10.0,
    queues=["default", "mail"],
    children=[child(0), child(1, state="stalled", stalled_s=4.0)],
    executions={"claimed": 1_000, "completed": 900, "failed": 10, "retried": 0},
    child_deaths=1,
    unsaved=2,
    completed_per_s=0.0,
    statements_per_s=0.0,
    connections_lost={"currantd:claim": "gone"},
    pending={"default": 10_000, "mail": 3},
    parked={"shop.gone": 4},
    scheduled={"default": 0, "mail": 1},
    oldest_s={"default": 4_000.0, "mail": 2.0},
    count_max=10_000,
    paused=["mail"],
    suspects=1,
    degraded={"children": "they die"},
    statements={"claim": StatementUse(100, 1_000, 2.0)},
    functions=[function("shop.mail", 900, 90.0, completed=890, failed=10)],
    errors=[ERROR] * 3,
)
LATER = msgspec.structs.replace(
    REPLY,
    uptime_s=12.0,
    executions={"claimed": 1_200, "completed": 1_100, "failed": 20, "retried": 0},
    children=[child(0, busy_slot_s=64.0, slot_s=192.0, finished=1_050, cpu_s=6.0), child(5, id=5)],
    statements={"claim": StatementUse(150, 1_200, 3.0)},
    functions=[
        function("shop.mail", 1_000, 110.0, completed=980, failed=20),
        function("shop.new", 2, 30.0, completed=2),
    ],
)


def drawn(page: RenderableType, width: int, height: int = 40, *, encoding: str = "utf-8") -> list[str]:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="backslashreplace")
    console = Console(file=stream, width=width, height=height, highlight=False)
    console.print(page)
    stream.flush()
    assert isinstance(stream.buffer, io.BytesIO)
    return stream.buffer.getvalue().decode(encoding).splitlines()


def test_rates_are_of_the_time_between_two_looks() -> None:
    between = rates(LATER, REPLY)
    assert (between.seconds, between.since_start) == (2.0, False)
    assert between.executions == {"claimed": 100.0, "completed": 100.0, "failed": 5.0, "retried": 0.0}
    assert between.statements_per_s == 25.0
    first, new = between.children[0], between.children[5]
    assert (first.busy, first.cpu, first.finished_per_s) == (0.75, 0.5, 25.0)
    # Of a child that was not there before only its own time is known.
    assert (new.busy, new.cpu, new.finished_per_s) == (0.25, None, None)
    slow, mail = between.functions
    assert (slow.function, slow.slots, slow.mean_s, slow.per_s) == ("shop.new", 15.0, 15.0, 1.0)
    assert (mail.slots, mail.mean_s, mail.per_s, mail.failed_per_s) == (10.0, 0.2, 50.0, 5.0)
    assert (mail.wait_s, mail.p95_s) == (2.0, BOUNDS_S[3])


def test_without_a_look_before_or_after_a_restart_rates_are_since_the_start() -> None:
    for before in (None, msgspec.structs.replace(LATER, pid=8), LATER):
        found = rates(REPLY, before)
        assert (found.seconds, found.since_start) == (10.0, True)
        assert found.executions["completed"] == 90.0
        assert found.children[0].busy == 0.25


def test_a_percentile_is_the_bound_of_its_bucket() -> None:
    nothing = [0] * (len(BOUNDS_S) + 1)
    assert percentile(nothing, 0.95) is None
    assert percentile([94, 0, 6, *nothing[3:]], 0.95) == BOUNDS_S[2]
    assert percentile([95, 0, 5, *nothing[3:]], 0.95) == BOUNDS_S[0]
    assert percentile([*nothing[:-1], 1], 0.95) == float("inf")


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("height", [12, 24, 50])
def test_the_pages_fit_their_terminal_and_say_what_is_wrong(width: int, height: int) -> None:
    measured = rates(LATER, REPLY)
    top = drawn(top_page(LATER, measured, width, height), width)
    status = drawn(status_page(LATER, measured, width), width)
    for lines in (top, status):
        assert max(len(line) for line in lines) <= width
        text = "\n".join(lines)
        for part in ("node_1", "(paused)", "degraded, children: they die", "currantd:claim is lost", "4 of shop.gone"):
            assert part in text
        assert "\x1b" not in text
    if height >= 24:
        # The line of troubles that is folded may take one more.
        assert len(top) <= height
        assert any("shop.mail" in line for line in top)
    assert any("10,000+" in line and "1 h 6 min" in line for line in status)


def test_a_stalled_child_is_shown_even_where_there_is_no_room_for_all() -> None:
    many = [child(number) for number in range(60)]
    many[50] = child(50, stalled_s=4.0)
    reply = msgspec.structs.replace(REPLY, children=many)
    lines = drawn(views.children(reply, rates(reply), 80, 3), 80)
    assert len(lines) == 4
    assert "stalled 4 s" in lines[-1]


def test_a_bar_is_as_long_as_its_part_and_does_without_utf_8() -> None:
    assert drawn(views.Bar(0.5, 10, "green"), 80) == ["█████·····"]
    assert drawn(views.Bar(0.0, 4, "green"), 80) == ["····"]
    assert drawn(views.Bar(1.0, 4, "green"), 80) == ["████"]
    assert drawn(views.Bar(7.0, 4, "green"), 80) == ["████"]
    assert drawn(views.Bar(0.5, 10, "green"), 80, encoding="ascii") == ["#####....."]


def test_rows_are_shared_one_by_one() -> None:
    assert share([2, 30, 1, 9], None) == [2, 20, 1, 9]
    assert share([2, 30, 1, 9], 16) == [2, 3, 1, 2]
    assert share([2, 30, 0, 9], 7) == [2, 1, 0, 0]
    assert share([5, 5], 0) == [0, 0]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0 ms"), (0.00002, "20 µs"), (0.0042, "4.2 ms"), (0.25, "250 ms"), (2.5, "2.5 s"), (600.0, "10 min 0 s")],
)
def test_times_are_short(value: float, text: str) -> None:
    assert views.seconds(value) == text


def test_the_database_is_asked_now_and_then_and_its_answer_is_kept() -> None:
    asked: list[bool] = []
    now = [0.0]

    def ask(request: StatusRequest) -> StatusReply:
        asked.append(request.waiting)
        return REPLY if request.waiting else msgspec.structs.replace(REPLY, pending=None, parked=None, oldest_s=None)

    looks = Looks(ask, clock=lambda: now[0])
    for now[0] in (0.0, 1.0, ASK_DATABASE_S, ASK_DATABASE_S + 1):
        reply, _ = looks.look()
        assert (reply.pending, reply.oldest_s) == (REPLY.pending, REPLY.oldest_s)
    assert asked == [True, False, True, False]


def test_a_supervisor_that_goes_is_shown_as_it_was_last() -> None:
    replies = [REPLY]

    def ask(_: StatusRequest) -> StatusReply:
        if not replies:
            raise NoSupervisor("no currantd runs there")
        return replies.pop()

    looks = Looks(ask)
    looks.look_again()
    looks.look_again()
    assert looks.seen is not None
    assert looks.seen[0] == REPLY
    assert looks.trouble == "no currantd runs there"
    with pytest.raises(NoSupervisor):
        Looks(ask).look_again()
