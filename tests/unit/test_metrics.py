"""What a node exports: exactly its table, in both formats, and a piece at a time."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import Any

import prometheus_client
import pytest
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from currant.records import StatementUse
from currant.store.figures import QueueFigure, QueueFigures
from currant.supervisor.child import Restart
from currant.supervisor.events import Counts
from currant.supervisor.figures import PlaceFigures
from currant.supervisor.lifecycle import Phase
from currant.supervisor.metrics import children, database, executions, node, queues
from currant.supervisor.metrics.exposition import PIECE_SAMPLES, Exposition
from currant.supervisor.metrics.metric import Kind
from currant.supervisor.metrics.table import METRICS, SECTIONS
from currant.supervisor.places import Role
from currant.supervisor.tally import Histogram, Tally
from tests.support import in_loop

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
#: A function's name may be any text.
ODD = 'a "quoted" \\ name\nof two lines'


class Everything(Collector):
    """Gives each metric of the table at least one sample."""

    def __init__(self, pairs: int = 1) -> None:
        self.tally = Tally()
        for number in range(pairs):
            key = ("q", ODD if number == 0 else f"app.f{number}")
            self.tally.claimed[key] += 3
            self.tally.started[key] += 3
            self.tally.finished[*key, "completed"] += 2
            self.tally.waits[key], self.tally.runs[key] = Histogram(), Histogram()
            self.tally.runs[key].add({0: 1, 2: 1, len(Histogram.BOUNDS): 1}, 5000.25)

    def collect(self) -> Iterator[prometheus_client.Metric]:
        yield from executions.families(self.tally)
        yield from node.ways(Counts(fenced=4, pruned=5), outcomes_waiting=6, suspects=1)
        place = PlaceFigures(3, Role.WORK, True, 64, 7, 0.5, 1 << 20, 1.5e9, 20.0, 10.0, 1.25, 99)
        yield from children.families([place], Counter({Restart.MEMORY: 2}))
        use = StatementUse(2, 8, 0.5)
        yield from database.families(database.DatabaseState({"claim": use}, {"claim": True}, 1, 1.5e9, 12))
        figures = QueueFigures(10_000, [QueueFigure("q", 5, 2, 7.5)], 0.001)
        yield from queues.families(figures, 2.5, running={"q": 3}, queues=["q"], paused=["q"])
        yield from node.families(node.NodeState("1.2.3", "node_1", Phase.RUNNING, {"children": False}, 1.5e9))
        yield from node.process_families(ProcessCollector(registry=None))


Samples = dict[str, list[tuple[dict[str, str], float]]]


def samples_of(text: str, parser: Any = text_string_to_metric_families) -> Samples:
    """The samples by name."""
    found: Samples = {}
    for family in parser(text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def rendered(collector: Collector, accept: str = "") -> str:
    registry = CollectorRegistry()
    registry.register(collector)
    _, body = asyncio.run(Exposition(registry).render(accept, gzipped=False))
    return body.decode()


def names_in_table() -> set[str]:
    names = set()
    for metric in METRICS.values():
        of_histogram = metric.kind is Kind.HISTOGRAM
        names |= {f"{metric.name}_{each}" for each in ("bucket", "count", "sum")} if of_histogram else {metric.name}
    return names


both_formats = pytest.mark.parametrize(
    ("accept", "parser"),
    [("", text_string_to_metric_families), (OPENMETRICS, openmetrics.text_string_to_metric_families)],
    ids=["text", "OpenMetrics"],
)


@both_formats
def test_what_is_exported_is_the_table(accept: str, parser: Any) -> None:
    text = rendered(Everything(), accept)
    found = samples_of(text, parser)
    assert found.keys() == names_in_table()
    for metric in METRICS.values():
        if metric.kind is not Kind.HISTOGRAM:
            assert found[metric.name][0][0].keys() == set(metric.labels), metric.name
    assert "_created" not in text
    assert found["currant_executions_claimed_total"] == [({"queue": "q", "function": ODD}, 3)]
    assert found["currant_child_restarts_total"][2] == ({"reason": "memory"}, 2)
    assert ({"queue": "q", "state": "running"}, 3) in found["currant_queue_executions"]
    assert ({"phase": "running"}, 1) in found["currant_node_phase"]
    assert ({"phase": "draining"}, 0) in found["currant_node_phase"]


def test_a_histogram_is_cumulative_and_ends_with_its_count() -> None:
    found = samples_of(rendered(Everything()))
    buckets = [(labels["le"], value) for labels, value in found["currant_execution_run_seconds_bucket"]]
    assert buckets[:3] == [("0.001", 1), ("0.003", 1), ("0.01", 2)]
    assert buckets[-2:] == [("3600.0", 2), ("+Inf", 3)]
    assert found["currant_execution_run_seconds_count"][0][1] == 3
    assert found["currant_execution_run_seconds_sum"][0][1] == 5000.25


def test_outcomes_that_have_not_come_yet_are_there_with_0() -> None:
    found = samples_of(rendered(Everything()))
    outcomes = {labels["outcome"]: value for labels, value in found["currant_executions_finished_total"]}
    assert outcomes == {"completed": 2, "failed": 0, "retried": 0, "cancelled": 0, "snoozed": 0, "crashed": 0}
    assert found["currant_dead_letters_total"][0][1] == 0


@both_formats
def test_the_pieces_together_say_what_prometheus_client_does(accept: str, parser: Any) -> None:
    collector = Everything(pairs=PIECE_SAMPLES)
    registry = CollectorRegistry()
    registry.register(collector)
    encode = prometheus_client.exposition.choose_encoder(accept)[0]

    def parsed(text: str) -> Samples:
        found = samples_of(text, parser)
        # What the system says of this process is another at each look.
        return {name: samples for name, samples in found.items() if not name.startswith("process_")}

    theirs = encode(registry).decode()
    ours = rendered(collector, accept)
    assert parsed(ours) == parsed(theirs)
    assert [line for line in ours.splitlines() if line[0] == "#"] == [
        line for line in theirs.splitlines() if line[0] == "#"
    ]


@in_loop
async def test_the_loop_does_its_other_work_between_the_pieces() -> None:
    registry = CollectorRegistry()
    registry.register(Everything(pairs=100))
    turns = 0

    async def other_work() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(other_work())
    await Exposition(registry).render("", gzipped=True)
    beside.cancel()
    assert turns > 100 * 2 * 17 / PIECE_SAMPLES


def test_every_metric_says_what_it_is() -> None:
    assert len(METRICS) == sum(len(section.metrics) for section in SECTIONS)
    for metric in METRICS.values():
        assert metric.meaning.endswith((".", "]"))
        assert metric.unit
        assert metric.name in metric.query
        assert "|" not in metric.query, "it would end the cell of the page's table"
        assert metric.name.endswith("_total") == (metric.kind is Kind.COUNTER)


def test_every_example_is_a_query() -> None:
    parser = pytest.importorskip("promql_parser")
    for metric in METRICS.values():
        parser.parse(metric.query)


class Asked:
    """A database that answers when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.count = 0
        self.answer: asyncio.Future[QueueFigures] = asyncio.get_running_loop().create_future()
        self.watch = queues.QueueWatch(self.ask, clock=lambda: self.now)

    async def ask(self, limit: int) -> QueueFigures:
        self.count += 1
        return await asyncio.shield(self.answer)


@in_loop
async def test_the_database_is_asked_at_most_once_in_a_while() -> None:
    asked = Asked()
    asked.answer.set_result(QueueFigures(10, [], 0.001))
    await asked.watch.refresh()
    assert asked.watch.age_s == 0
    asked.now += queues.FRESH_S - 1
    await asyncio.gather(asked.watch.refresh(), asked.watch.refresh())
    assert asked.count == 1
    assert asked.watch.age_s == queues.FRESH_S - 1
    asked.now += 1
    await asyncio.gather(asked.watch.refresh(), asked.watch.refresh())
    assert asked.count == 2
    assert asked.watch.age_s == 0


@in_loop
async def test_a_database_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queues, "WAIT_S", 0.01)
    asked = Asked()
    await asked.watch.refresh()
    assert asked.watch.figures is None
    assert asked.watch.age_s is None
    asked.now += 60
    await asked.watch.refresh()
    assert asked.count == 1, "one question at a time"
    asked.answer.set_result(QueueFigures(10, [], 0.001))
    await asked.watch.refresh()
    assert asked.watch.age_s == 60, "as old as the question"


def test_it_is_counted_as_far_as_that_takes_no_time() -> None:
    limit = queues.Limit()
    for _ in range(10):
        limit.note(0.001, 1)
    assert limit.rows == queues.ROWS_MAX
    limit.note(2 * queues.SLOW_S, 1)
    assert limit.rows == queues.ROWS_MAX / 2
    limit.note(queues.SLOW_S / 2, 1)
    assert limit.rows == queues.ROWS_MAX / 2, "as it should be"
    limit.note(0.001, 50)
    assert limit.rows == queues.ALL_ROWS_MAX / 50
    limit.note(60.0, 1)
    assert limit.rows == queues.ROWS_MIN
