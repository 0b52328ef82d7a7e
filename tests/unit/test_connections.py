"""What the log says of connections: one line at an outage's begin, one at its end."""

from currant.supervisor.database import LISTEN_NAME
from currant.supervisor.events import Event
from currant.supervisor.report import REFUSAL_S, REFUSALS_MIN, Connections

CLAIM, COMPLETE, UTILITY = "currantd:claim", "currantd:complete", "currantd:utility"


class Log:
    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, object]]] = []

    def warning(self, event: str, **fields: object) -> None:
        self.lines.append((event, fields))

    info = error = warning


class Node:
    def __init__(self) -> None:
        self.now = 100.0
        self.log = Log()
        self.connections = Connections(self.log, lambda: self.now)  # type: ignore[arg-type]
        self.connections.silent = False

    def told(self) -> list[tuple[str, dict[str, object]]]:
        lines, self.log.lines = self.log.lines, []
        return lines


def test_an_outage_is_two_lines_however_many_connections_it_ends() -> None:
    node = Node()
    node.connections.note_loss(CLAIM, "terminated")
    assert node.told() == [(Event.CONNECTION_LOST, {"connection": CLAIM, "reason": "terminated"})]
    for name in (LISTEN_NAME, COMPLETE, UTILITY, LISTEN_NAME):
        node.connections.note_loss(name, "refused")
    assert set(node.connections.lost) == {CLAIM, LISTEN_NAME, COMPLETE, UTILITY}
    node.now += 61.04
    node.connections.note_return(COMPLETE, 60.0)
    node.connections.note_return(LISTEN_NAME, 60.0)
    assert node.told() == []
    # Nobody has asked for the one on demand since.
    node.connections.note_return(CLAIM, 61.0)
    names = [CLAIM, LISTEN_NAME, COMPLETE, UTILITY]
    assert node.told() == [(Event.CONNECTION_REGAINED, {"connections": names, "seconds": 61.0})]
    assert node.connections.lost == {}
    node.connections.note_return(UTILITY, 61.0)
    assert node.told() == []


def test_a_connection_on_demand_that_is_not_made_again_hides_no_outage() -> None:
    node = Node()
    node.connections.note_loss(UTILITY, "terminated")
    assert len(node.told()) == 1
    node.connections.note_loss(COMPLETE, "refused")
    assert len(node.told()) == 1
    node.connections.note_return(COMPLETE, 1.0)
    assert [event for event, _ in node.told()] == [Event.CONNECTION_REGAINED]
    node.connections.note_loss(UTILITY, "terminated")
    node.connections.note_return(UTILITY, 0.26)
    assert node.told()[1:] == [(Event.CONNECTION_REGAINED, {"connections": [UTILITY], "seconds": 0.3})]


def test_before_the_node_has_started_nothing_is_told() -> None:
    node = Node()
    node.connections.silent = True
    node.connections.note_loss(COMPLETE, "refused")
    node.connections.note_return(COMPLETE, 5.0)
    assert node.told() == []


def test_refusals_that_go_on_are_told_and_single_ones_are_not() -> None:
    node = Node()
    for _ in range(REFUSALS_MIN):
        assert node.connections.refused is None
        node.connections.note_refusal("column x does not exist")
    assert node.connections.refused == "column x does not exist"
    node.now += REFUSAL_S + 1
    node.connections.note_refusal("a row is locked")
    assert node.connections.refused is None
