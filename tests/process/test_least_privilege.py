"""The pipeline under roles of `currant grant`: nodes as a node's, what enqueues and cancels as a client's."""

import asyncio
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from currant.cli import main
from currant.errors import DatabaseError
from currant.store import migrate
from currant.store.scratch import Scratch
from tests.conftest import empty_schema
from tests.nodes import Node, World, eventually
from tests.roles import Role, temporary_role


class LimitedWorld(World):
    """A World whose nodes, clients and commands have a role each. The test's own questions are the owner's."""

    def __init__(self, url: str, folder: Path, node: Role, client: Role) -> None:
        super().__init__(url, folder)
        self.owner_url, self.node_url, self.url = url, node.url, client.url

    def start(self, *args: str, module: str = "jobs", folder: Path | None = None, **env: str) -> Node:
        return super().start(*args, module=module, folder=folder, **{"CURRANT_DATABASE_URL": self.node_url, **env})

    def command(self, *args: str, url: str | None = None) -> str:
        """Runs `currant`, in this process, as the node's role or at the address given; returns what it prints."""
        done = CliRunner().invoke(main.app, args, env={"CURRANT_DATABASE_URL": url or self.node_url})
        assert done.exit_code == 0, done.output
        return done.stdout

    def asked(self, *args: str) -> Any:
        return json.loads(self.command(*args, "--json"))

    def granted(self, role: Role, *options: str) -> str:
        return self.command("grant", role.name, *options, url=self.owner_url)


@pytest.fixture
def limited(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LimitedWorld]:
    """On the server of the run, or on the one that a test names."""
    server: Scratch = request.getfixturevalue(getattr(request, "param", "server"))
    with empty_schema(server) as url:
        asyncio.run(migrate.migrate_at(url))
        with temporary_role(url) as node, temporary_role(url) as client:
            world = LimitedWorld(url, tmp_path, node, client)
            try:
                said = world.granted(node)
                assert f"{node.name} may run currantd" in said
                assert "GRANT SELECT, INSERT, UPDATE, DELETE ON" in said
                assert "wait for results" in world.granted(client, "--client")
                yield world
                for each in world.nodes:
                    assert "permission denied" not in each.log, each.log
                    assert "refused" not in each.log, each.log
            finally:
                world.close()


@pytest.mark.parametrize("limited", ["server", "pg15"], indirect=True)
def test_executions_of_all_kinds_pass(limited: LimitedWorld) -> None:
    parked = limited.enqueue("other_jobs.greet", "you")
    node = limited.node("--procs", "1")
    done = limited.enqueue("echo", 1, count=20) + limited.enqueue("flaky", 2) + limited.enqueue("echo", delay_s=0.2)
    done += limited.enqueue("echo", unique_key="k", unique_for_s=60.0)
    failed = limited.enqueue("failing", max_retries=0) + limited.enqueue("endless", max_retries=0, timeout_s=1)
    running, waiting = limited.enqueue("sleeper", 3600), limited.enqueue("echo", delay_s=3600.0)
    limited.begun(running)
    assert limited.cancel(*running, *waiting) == {*running, *waiting}
    eventually(lambda: limited.row(parked[0])["status"] == "scheduled")
    eventually(lambda: node.status().parked == {"other_jobs.greet": 1})
    eventually(lambda: limited.states() == {"completed": len(done), "failed": 2, "cancelled": 2, "scheduled": 1})
    assert node.stop() == 0
    limited.node("--procs", "1", "-q", "test", module="other_jobs")
    eventually(lambda: limited.states()["completed"] == len(done) + 1)
    dead = limited.rows("SELECT execution_id FROM dead_letter_queue")
    assert {id for (id,) in dead} == set(failed)


def test_jobs_enqueue_cancel_and_wait(limited: LimitedWorld) -> None:
    limited.node("--procs", "1", module="inside")
    for function in ("with_keys", "cancel_some", "await_each"):
        limited.enqueue(f"inside.{function}", max_retries=0)
    ended = "SELECT status FROM executions WHERE function_name = ANY (%s) AND status IN ('completed', 'failed')"
    names = ["inside.with_keys", "inside.cancel_some", "inside.await_each"]
    assert eventually(lambda: (found := limited.rows(ended, names))[2:] and set(found)) == {("completed",)}


def test_what_runs_on_a_node_that_dies_is_taken_back(limited: LimitedWorld) -> None:
    node = limited.node("--procs", "1", CURRANT_HEARTBEAT_TIMEOUT_S="6")
    ids = limited.enqueue("gated", count=5)
    limited.begun(ids)
    node.send(signal.SIGKILL)
    node.process.wait(30)
    limited.node("--procs", "1", CURRANT_HEARTBEAT_TIMEOUT_S="6")
    limited.begun(ids, times=2)
    limited.open_gate()
    assert limited.at_rest() == {"completed": 5}


def test_schedules_fire(limited: LimitedWorld) -> None:
    limited.node("--procs", "1", module="cron_jobs")
    eventually(lambda: limited.states()["completed"] >= 2)
    (schedule,) = limited.asked("schedules")
    assert schedule["function"] == "cron_jobs.regular"
    limited.command("schedules", "remove", "cron_jobs.regular")


@pytest.mark.parametrize("limited", ["server", "pg15"], indirect=True)
def test_the_commands_work_as_the_role_that_each_is_for(limited: LimitedWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    node = limited.node("--procs", "1", "-q", "test")
    waited = limited.command("enqueue", "jobs.echo", "--args", "[7]", "--wait", url=limited.url)
    assert "7" in waited
    (id,) = limited.command("enqueue", "jobs.echo", "--delay", "3600", "--unique", "k", url=limited.url).split()
    assert id in limited.command("cancel", id, url=limited.url)
    first, second = limited.enqueue("failing", max_retries=0, count=2)
    eventually(lambda: limited.states()["failed"] == 2)
    limited.command("retry", first)
    eventually(lambda: limited.rows("SELECT FROM executions WHERE id = %s AND lease = 2 AND status = 'failed'", first))
    assert {each["execution_id"] for each in limited.asked("dead", "list")} == {first, second}
    limited.command("dead", "retry", second)
    limited.command("dead", "purge", "--all", "--yes")
    assert len(limited.asked("list")) == 4
    assert limited.asked("status", id)["status"] == "cancelled"
    assert [each["name"] for each in limited.asked("queues")] == ["test"]
    assert node.stop() == 0
    eventually(lambda: limited.at_rest())
    assert limited.asked("prune", "--keep-completed", "0", "--keep-failed", "0") == {"pruned": 4}


def test_nodes_discard_and_prune(limited: LimitedWorld) -> None:
    limited.node("--procs", "1", CURRANT_KEEP_COMPLETED_S="0")
    limited.enqueue("echo", count=20)
    eventually(lambda: not limited.states())


def test_nobody_migrates_as_a_limited_role(limited: LimitedWorld) -> None:
    limited.rows("DELETE FROM schema_migrations WHERE version > 1 RETURNING 1")
    with pytest.raises(DatabaseError, match="refused, and nothing has changed"):
        asyncio.run(migrate.migrate_at(limited.node_url))
