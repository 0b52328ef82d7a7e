"""What `doctor` makes of what it finds: each trouble has its verdict, and one line that says what to do."""

import dataclasses
from pathlib import Path

import pytest

from currant.cli.doctor import machine, server, work
from currant.cli.doctor import settings as settings_checks
from currant.cli.doctor.check import Check, Checks, Part, Verdict, some, worst
from currant.cli.doctor.command import show
from currant.cli.output import Page
from currant.records import Pause, Queue
from currant.settings import Address, Settings
from currant.store.checkup import Connections, Holder, Letters, Server, Sessions, Vacuum
from currant.store.grants import Kind, Right, rights

OK, WARNING, FAILED = Verdict
SERVER = Server("16.4", 160_004, "app", False, "public", [], False, True)
SESSIONS = Sessions(pooled=False, shared=False, heard=True)
CONNECTIONS = Connections(97, 5, None, 3, None, 2)
IDLE = Holder("session", "17", "psql", "idle in transaction", 4000.0, 9)
SLOT = Holder("replication slot", "s", "", "not active", None, 5_000_000)
VACUUM = Vacuum(1_000, 10, 60.0, False, 1_000)


def verdicts(checks: list[Check]) -> list[Verdict]:
    for each in checks:
        assert (each.advice is None) == (each.verdict is OK)
        assert "\n" not in f"{each.found}{each.advice}"
    return [each.verdict for each in checks]


@pytest.mark.parametrize(
    ("check", "verdict"),
    [
        (server.check_schema(SERVER, 3, 3), OK),
        (server.check_schema(SERVER._replace(place=None), 0, 3), FAILED),
        (server.check_schema(SERVER._replace(place=None, elsewhere=["currant"]), 0, 3), FAILED),
        (server.check_schema(SERVER, 2, 3), FAILED),
        (server.check_schema(SERVER, 4, 3), FAILED),
        (server.check_rights(SERVER, []), OK),
        (server.check_rights(SERVER, [Right("DELETE", "executions", None)]), FAILED),
        (server.check_clock(0.01, 0.05), OK),
        (server.check_clock(-30.0, 0.05), WARNING),
        (server.check_clock(2.5, 1.0), OK),
        (server.check_connections(CONNECTIONS), OK),
        (server.check_connections(CONNECTIONS._replace(taken=90)), WARNING),
        (server.check_connections(CONNECTIONS._replace(taken=97)), FAILED),
        (server.check_connections(CONNECTIONS._replace(most_own=4)), WARNING),
        (server.check_connections(CONNECTIONS._replace(most_here=3)), FAILED),
        (server.check_holders([], sees_all=True), OK),
        (server.check_holders([], sees_all=False), OK),
        (server.check_holders([IDLE], sees_all=True), WARNING),
        (server.check_holders([SLOT, IDLE], sees_all=True), WARNING),
        (server.check_vacuum(VACUUM, {"autovacuum": "on"}), OK),
        (server.check_vacuum(VACUUM, {"autovacuum": "off"}), WARNING),
        (server.check_vacuum(VACUUM._replace(disabled=True), {}), WARNING),
        (server.check_vacuum(VACUUM._replace(dead=5_000_000, vacuumed_s=None), {}), WARNING),
        (server.check_vacuum(VACUUM._replace(transactions=1_500_000_000), {}), WARNING),
        (work.check_nodes({"a": 2.0}, 30.0), OK),
        (work.check_nodes({}, 30.0), WARNING),
        (work.check_nodes({"a": 2.0, "b": 31.0}, 30.0), WARNING),
        (work.check_parked({}), OK),
        (work.check_parked({"app.gone": 3}), WARNING),
        (work.check_letters(Letters(0, 0, False)), OK),
        (work.check_letters(Letters(9, 0, False)), OK),
        (work.check_letters(Letters(9, 1, True)), WARNING),
    ],
)  # fmt: skip
def test_each_finding_has_its_verdict_and_says_what_to_do(check: Check, verdict: Verdict) -> None:
    assert verdicts([check]) == [verdict]


def test_a_server_that_is_old_or_read_only_is_told() -> None:
    assert verdicts(server.check_server(SERVER)) == [OK]
    assert verdicts(server.check_server(SERVER._replace(version="13.2", number=130_002))) == [WARNING]
    assert verdicts(server.check_server(SERVER._replace(standby=True))) == [OK, FAILED]


def test_a_pooler_that_shares_sessions_fails_and_one_that_does_not_is_well() -> None:
    assert verdicts(server.check_sessions(SESSIONS, None)) == [OK, OK]
    assert verdicts(server.check_sessions(SESSIONS._replace(pooled=True), None)) == [OK, OK]
    assert verdicts(server.check_sessions(SESSIONS._replace(shared=True, heard=False), None)) == [FAILED]
    assert verdicts(server.check_sessions(SESSIONS._replace(heard=False), None)) == [OK, FAILED]
    assert verdicts(server.check_sessions(SESSIONS._replace(heard=False), 1.0)) == [OK, OK]
    assert verdicts(server.check_sessions(SESSIONS, 1.0)) == [OK, WARNING]


def test_settings_of_the_server_that_stand_in_the_way_are_told() -> None:
    well = {"fsync": "on", "statement_timeout": "0", "default_transaction_isolation": "read committed"}
    assert verdicts(server.check_settings(well, "app")) == [OK]
    ill = {
        "fsync": "off",
        "statement_timeout": "500",
        "default_transaction_read_only": "on",
        "idle_session_timeout": "1000",
    }
    assert verdicts(server.check_settings(ill, "app")) == [FAILED, WARNING, WARNING, WARNING]


def test_a_refused_connection_is_told_with_what_to_do_about_it() -> None:
    for text, part in (
        ('FATAL: password authentication failed for user "x"', "check user and password"),
        ("connection refused: Connection refused", "start the server"),
        ("FATAL: something new", "check CURRANT_DATABASE_URL"),
    ):
        check = server.unreachable(RuntimeError(text))
        assert check.verdict is FAILED
        assert part in str(check.advice)


def test_settings_that_fight_each_other_are_told_each_by_itself() -> None:
    assert verdicts(settings_checks.check_settings(Settings(), {})) == [OK, OK]
    fighting = Settings(
        retry_base_s=7200.0, stall_timeout_s=1.0, claim_batch=4, procs=1000, keep_failed_s=1.0, keep_completed_s=2.0
    )
    fighting = dataclasses.replace(fighting, metrics=Address("0.0.0.0", 9464))
    found = settings_checks.check_settings(fighting, {"CURRANT_PROC": "1"})
    assert verdicts(found) == [WARNING] * 7
    at_home = Settings(metrics=Address("127.0.0.1", 9464))
    assert verdicts(settings_checks.check_settings(at_home, {})) == [OK, OK]
    assert found[0].advice == "write CURRANT_PROCS instead of CURRANT_PROC"


def test_queues_that_wait_for_nobody_or_for_long_are_told() -> None:
    def queue(name: str, nodes: list[str], pending: int = 1) -> Queue:
        return Queue(name, pending, False, 0, False, None, None, nodes)

    assert verdicts(work.check_queues([], {})) == [OK]
    pause = Pause("a", "2030-01-01T00:00:00+00:00", "ada@host", "a broken release")
    paused = Queue("a", 1, False, 0, False, None, None, ["n"], pause=pause)
    assert verdicts(work.check_queues([paused], {"a": 5000.0})) == [OK]
    assert verdicts([work.check_paused([], 0.0), work.check_paused([paused], 0.0)]) == [OK, WARNING]
    assert verdicts(work.check_queues([queue("a", ["n"])], {"a": 5.0})) == [OK]
    assert verdicts(work.check_queues([queue("a", ["n"]), queue("b", [])], {"a": 5000.0})) == [WARNING, WARNING]


def test_the_runtime_directory_is_private_or_can_be_made(tmp_path: Path) -> None:
    def of(folder: Path) -> Verdict:
        return next(
            each.verdict
            for each in machine.check_machine(Settings(runtime_dir=folder))
            if each.name == "runtime directory"
        )

    private, public = tmp_path / "private", tmp_path / "public"
    private.mkdir(mode=0o700)
    public.mkdir()
    public.chmod(0o755)
    assert of(private) is OK
    assert of(tmp_path / "a" / "b") is OK
    assert of(public) is FAILED


def test_the_memory_of_the_machine_is_known_or_not_told(tmp_path: Path) -> None:
    found = machine.memory()
    assert found is None or 0 <= found.available <= found.most
    assert machine.memory(tmp_path) is None


def test_what_a_node_needs_is_read_from_what_grants_it() -> None:
    needed = rights(Kind.NODE)
    assert Right("UPDATE", "dead_letter_queue", "failed_at") in needed
    assert Right("DELETE", "executions", None) in needed
    assert Right("SELECT", "schema_migrations", None) in needed
    assert {each.table for each in rights(Kind.CLIENT)} >= {"executions", "schema_migrations"}
    assert Right("INSERT", "executions", "unique_until") in rights(Kind.CLIENT)


def test_the_worst_verdict_counts(capsys: pytest.CaptureFixture[str]) -> None:
    of = Checks(Part.WORK)
    checks = [of.ok("a", "well"), of.failed("b", "ill", "do this")]
    assert (worst([]), worst(checks[:1]), worst(checks)) == (OK, OK, FAILED)
    show(checks, Page())
    shown = capsys.readouterr().out
    assert shown.splitlines()[0] == "work"
    assert "what to do" in shown
    assert shown.splitlines()[-1] == "2 checks: 1 ok, 1 failed"


def test_many_names_are_cut() -> None:
    assert some("abc") == "a, b, c"
    assert some("abcdefgh") == "a, b, c, d, e and 3 more"
