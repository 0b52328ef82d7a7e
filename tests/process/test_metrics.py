"""What a real node says over HTTP: its health in all that befalls it, and metrics that agree with the database."""

import os
import re
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import psycopg
from prometheus_client.parser import text_string_to_metric_families

from currant.store.embedded import start_throwaway
from currant.supervisor.events import Event
from tests.nodes import CURRANTD, HANGS_S, JOBS, Node, World, eventually

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def address(node: Node) -> str:
    """Returns where the node is watched, as soon as it says so."""
    pattern = rf'event="{Event.METRICS}" url=(\S+)/metrics'
    match: re.Match[str] = eventually(lambda: re.search(pattern, node.log) or node.process.poll())
    return match[1]


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

    def by(self, name: str, *labels: str) -> Counter[tuple[str, ...]]:
        """The samples that are not 0, added up by these labels."""
        found: Counter[tuple[str, ...]] = Counter()
        for (each, pairs), value in self.samples.items():
            if each == name and value:
                found[tuple(dict(pairs)[label] for label in labels)] += int(value)
        return found


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
