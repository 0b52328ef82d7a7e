"""What a real node says over HTTP: its health in all that befalls it, and metrics that agree with the database."""

import os
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import psycopg
from prometheus_client.parser import text_string_to_metric_families

from currant.release import release
from currant.store.embedded import start_throwaway
from currant.supervisor.events import Event
from tests.nodes import CURRANTD, HANGS_S, JOBS, Node, World, eventually

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def address(node: Node) -> str:
    """Returns where the node is watched, as soon as it says so."""
    (fields,) = eventually(lambda: node.told(Event.METRICS) or node.process.poll())
    return str(fields["url"]).removesuffix("/metrics")


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=HANGS_S) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


class Scrape:
    """What one scrape brought."""

    def __init__(self, node_url: str) -> None:
        status, text = get(f"{node_url}/metrics")
        assert status == 200
        families = text_string_to_metric_families(text)
        self.samples = {(each.name, frozenset(each.labels.items())): each.value for f in families for each in f.samples}

    def value(self, name: str, **labels: str) -> float:
        return self.samples[name, frozenset(labels.items())]

    def counters(self) -> Samples:
        """What must never fall."""
        return {key: value for key, value in self.samples.items() if key[0].endswith(("_total", "_count", "_bucket"))}

    def by(self, name: str, *labels: str) -> Counter[tuple[str, ...]]:
        """The samples that are not 0, added up by these labels."""
        found: Counter[tuple[str, ...]] = Counter()
        for (each, pairs), value in self.samples.items():
            if each == name and value:
                found[tuple(dict(pairs)[label] for label in labels)] += int(value)
        return found


def watched_until_rest(world: World, url: str) -> list[Scrape]:
    """Scrapes until every execution has ended, and returns what came."""
    scrapes: list[Scrape] = []

    def rested() -> bool:
        scrapes.append(Scrape(url))
        return world.states().keys() <= {"completed", "failed", "cancelled"}

    eventually(rested)
    return scrapes


def refusing(url: str) -> Callable[[bool], None]:
    """Returns what has the database refuse connections, and ends those of nodes, or take them again."""

    def refuse(refuses: bool) -> None:
        # Nobody may say so from within.
        with psycopg.connect(url, dbname="template1", autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE postgres ALLOW_CONNECTIONS {not refuses}".encode())
            if refuses:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'currantd:%'"
                )

    return refuse


def test_health_through_a_late_database_an_outage_and_a_drain(tmp_path: Path) -> None:
    with start_throwaway() as server:
        world = World(server.url, tmp_path)
        subprocess.run(
            [*CURRANTD[:2], "currant.cli.main", "migrate"],
            check=True,
            env={**os.environ, "CURRANT_DATABASE_URL": server.url},
        )
        refuse = refusing(server.url)
        refuse(True)
        node = world.start("--procs", "1", "--metrics", "0")
        try:
            url = address(node)
            assert get(f"{url}/healthz") == (200, "live\n")
            status, text = get(f"{url}/readyz")
            assert status == 503
            assert text.startswith("not ready: ")
            before = Scrape(url)
            assert before.value("currant_node_phase", phase="starting") == 1
            assert before.value("currant_database_connection_up", connection="claim") == 0
            assert before.by("currant_queue_executions") == Counter()
            refuse(False)
            eventually(lambda: get(f"{url}/readyz") == (200, "ready\n"))
            refuse(True)
            eventually(lambda: get(f"{url}/readyz")[1].startswith("not ready: the database is away: "))
            away = Scrape(url)
            assert 0 in [
                away.value("currant_database_connection_up", connection=each) for each in ("claim", "complete")
            ]
            assert away.value("currant_database_connection_losses_total") >= 1
            assert get(f"{url}/healthz") == (200, "live\n")
            refuse(False)
            eventually(lambda: get(f"{url}/readyz")[0] == 200)
            world.begun(world.enqueue("gated"))
            assert Scrape(url).value("currant_queue_executions", queue="test", state="running") == 1
            node.send(signal.SIGTERM)
            eventually(lambda: get(f"{url}/readyz") == (503, "not ready: the node is draining\n"))
            assert get(f"{url}/healthz") == (200, "live\n")
            assert Scrape(url).value("currant_node_phase", phase="draining") == 1
            world.open_gate()
            assert node.process.wait(HANGS_S) == 0
        finally:
            world.close()


def at_rest(scrape: Scrape) -> Scrape | None:
    """Returns what was scraped if by its word all outcomes are in the database, and both children are ready."""
    up = [scrape.value("currant_child_up", child=child) for child in ("0", "1")]
    return scrape if scrape.value("currant_outcomes_waiting") == 0 and up == [1, 1] else None


def test_the_metrics_agree_with_the_database_and_with_the_status(world: World) -> None:
    node = world.node("--procs", "2", "--metrics", "0")
    url = address(node)
    cancelled = world.enqueue("gated", count=2)
    world.begun(cancelled)
    assert world.cancel(*cancelled) == set(cancelled)
    world.enqueue("echo", 1, count=300)
    world.enqueue("failing", count=3, max_retries=2)
    world.enqueue("flaky", 3, count=2)
    world.enqueue("endless", count=2, max_retries=0, timeout_s=1)
    world.enqueue("elsewhere", queue="other", count=5)
    scrapes = watched_until_rest(world, url)
    # By itself, for with it ends whatever else its child runs.
    world.enqueue("killer")
    scrapes += watched_until_rest(world, url)
    scrape: Scrape = eventually(lambda: at_rest(Scrape(url)))
    for before, after in pairwise([*scrapes, scrape]):
        fell = {key: value for key, value in before.counters().items() if after.samples.get(key, value) < value}
        assert not fell, "also when a child has taken another's place"
    ended = world.rows("SELECT queue, function_name, status, count(*) FROM executions GROUP BY 1, 2, 3")
    finished = scrape.by("currant_executions_finished_total", "queue", "function", "outcome")
    kept = {key: count for key, count in finished.items() if key[2] not in ("retried", "crashed")}
    assert kept == {(queue, function, status): count for queue, function, status, count in ended}
    assert finished["test", "jobs.failing", "retried"] == 3 * 2
    assert finished["test", "jobs.flaky", "retried"] == 2 * 2
    letters = world.rows("SELECT execution_data ->> 'function_name', count(*) FROM dead_letter_queue GROUP BY 1")
    assert scrape.by("currant_dead_letters_total", "function") == {(function,): count for function, count in letters}
    assert scrape.by("currant_execution_timeouts_total", "function") == {("jobs.endless",): 2}
    released = scrape.value("currant_executions_released_total")
    assert sum(scrape.by("currant_executions_claimed_total").values()) == sum(finished.values()) + released
    functions = {id: (function,) for id, function in world.rows("SELECT id, function_name FROM executions")}
    started = scrape.by("currant_executions_started_total", "function")
    assert started == {**Counter(functions[run.id] for run in world.runs()), ("jobs.elsewhere",): 5}
    ran = scrape.by("currant_execution_run_seconds_count", "function")
    # A run that is killed has no end.
    assert ran == {key: count for key, count in started.items() if key != ("jobs.killer",)}
    status = node.status()
    assert sum(count for key, count in finished.items() if key[2] == "completed") == status.executions["completed"]
    assert sum(count for key, count in finished.items() if key[2] == "failed") == status.executions["failed"]
    for child in ("0", "1"):
        assert scrape.value("currant_child_up", child=child) == 1
        assert scrape.value("currant_child_slots", child=child) == 64
        assert scrape.value("currant_child_busy_slots", child=child) == 0
        busy = scrape.value("currant_child_busy_slot_seconds_total", child=child)
        assert 0 < busy < scrape.value("currant_child_slot_seconds_total", child=child)
    assert scrape.by("currant_child_restarts_total", "reason") == {("died",): status.child_deaths}
    assert scrape.value("currant_outcomes_waiting") == 0
    assert scrape.value("currant_node_info", version=release(), node=status.node) == 1
    assert scrape.value("currant_node_phase", phase="running") == 1
    assert scrape.value("currant_database_statement_rows_total", statement="register") == 1
    assert scrape.value("currant_queue_executions", queue="test", state="running") == 0
    # As the database said when it was asked last, which may have been under way.
    assert scrape.value("currant_queue_executions", queue="test", state="pending") >= 0
    assert scrape.value("currant_queue_figures_age_seconds") >= 0


def test_a_port_that_is_taken_is_said_before_anything_is_started() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        # It does not come as far as the database.
        environment = {**os.environ, "CURRANT_DATABASE_URL": "postgresql://127.0.0.1:1/none", "PYTHONPATH": JOBS}
        ended = subprocess.run(
            [*CURRANTD, "-m", "jobs", "--metrics", where],
            capture_output=True,
            text=True,
            env=environment,
            timeout=HANGS_S,
        )
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[0].startswith(f"currantd: error: --metrics {where}: the port is taken")
