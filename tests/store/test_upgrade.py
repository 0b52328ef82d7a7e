"""Before an upgrade, and without `currant migrate`: the dry run, and the script for people with their own tools."""

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import conninfo

from currant.store import migrate
from currant.store.scratch import Scratch
from currant.store.steps import script, steps
from currant.store.survey import survey_at
from tests import version_1
from tests.conftest import empty_schema

PSQL = shutil.which("psql") or shutil.which("/usr/lib/postgresql/15/bin/psql")


@pytest.fixture
def empty_url(each_server: Scratch) -> Iterator[str]:
    """Everything here is to work on both servers."""
    with empty_schema(each_server) as url:
        yield url


def catalogue(url: str) -> list[tuple[Any, ...]]:
    """What there is in the schema, as the server describes it."""
    relations = (
        "SELECT c.relname, c.relkind::text, c.reloptions FROM pg_class AS c WHERE c.relnamespace = %(schema)s",
        "SELECT c.relname, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,"
        " a.attgenerated::text, pg_get_expr(d.adbin, d.adrelid) FROM pg_class AS c"
        " JOIN pg_attribute AS a ON a.attrelid = c.oid"
        " LEFT JOIN pg_attrdef AS d ON d.adrelid = c.oid AND d.adnum = a.attnum"
        " WHERE c.relnamespace = %(schema)s AND a.attnum > 0",
        "SELECT conrelid::regclass::text, conname, convalidated, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE connamespace = %(schema)s",
        "SELECT pg_get_indexdef(i.indexrelid, 0, true) FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid"
        " WHERE c.relnamespace = %(schema)s",
    )
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT current_schema(), current_schema()::regnamespace::oid").fetchone()
        assert found is not None
        name, oid = found
        rows = [row for each in relations for row in connection.execute(each, {"schema": oid}).fetchall()]
        return sorted(tuple(str(value).replace(f"{name}.", "") for value in row) for row in rows)


def run_script(url: str, text: str) -> str:
    """Runs the script as its users do, with psql where there is one; returns what it complains of."""
    if PSQL is not None:
        command = [PSQL, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", url, "-f", "-"]
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode == 0) == ("ERROR" not in done.stderr), done.stderr
        return done.stderr if done.returncode else ""
    with psycopg.connect(url, autocommit=True) as connection:
        try:
            connection.execute(text.encode())
        except psycopg.Error as error:
            return str(error)
    return ""


@pytest.mark.parametrize("before", range(migrate.VERSION))
def test_the_script_makes_what_the_migration_makes(each_server: Scratch, empty_url: str, before: int) -> None:
    with empty_schema(each_server) as other:
        for url in (empty_url, other):
            with psycopg.connect(url, autocommit=True) as connection:
                for step in steps(0, before):
                    connection.execute(step.text.encode())
                    connection.execute("INSERT INTO schema_migrations (version) VALUES (%s)", (step.version,))
                if before == 1:
                    version_1.fill(connection)
        asyncio.run(migrate.migrate_at(other))
        assert run_script(empty_url, script(before, migrate.VERSION)) == ""
        assert catalogue(empty_url) == catalogue(other)
        with psycopg.connect(empty_url) as connection:
            versions = connection.execute("SELECT version FROM schema_migrations ORDER BY version").fetchall()
        assert versions == [(number + 1,) for number in range(migrate.VERSION)]


def test_the_script_keeps_every_row_of_version_1(version_1_url: str) -> None:
    with psycopg.connect(version_1_url, autocommit=True) as connection:
        before = version_1.dump(connection, "executions", "worker_heartbeats", "workflow_signals", "dead_letter_queue")
        assert run_script(version_1_url, script(1, migrate.VERSION)) == ""
        assert version_1.dump(connection, *before) == before


def test_a_script_for_another_version_changes_nothing_and_says_so(empty_url: str) -> None:
    assert "begins at version 1, and the schema is of version 0" in run_script(empty_url, script(1, migrate.VERSION))
    assert run_script(empty_url, script(0, migrate.VERSION)) == ""
    before = catalogue(empty_url)
    for start in (0, 1):
        assert "currant migrate --sql" in run_script(empty_url, script(start, migrate.VERSION))
    assert catalogue(empty_url) == before


def test_a_script_of_nothing_is_a_comment() -> None:
    (line,) = script(migrate.VERSION, migrate.VERSION).splitlines()
    assert line.startswith("-- ")


def test_each_migration_says_in_one_line_what_it_means() -> None:
    for step in steps(0, migrate.VERSION):
        assert step.meaning.endswith("."), step
        assert not step.meaning.startswith("Version"), step
    assert [step.version for step in steps(0, 2) if step.rewrites] == [2]


# The dry run


def test_the_dry_run_finds_what_there_is_and_changes_nothing(version_1_url: str) -> None:
    with psycopg.connect(version_1_url, autocommit=True) as connection:
        connection.execute("UPDATE worker_heartbeats SET last_heartbeat = now() WHERE worker_id = 'v1_old'")
        before = version_1.dump(connection), catalogue(version_1_url)
        survey = asyncio.run(survey_at(version_1_url))
        assert (version_1.dump(connection), catalogue(version_1_url)) == before
    assert (survey.before, [step.version for step in survey.steps]) == (1, list(range(2, migrate.VERSION + 1)))
    assert [step.version for step in survey.rewriting] == [2]
    assert survey.obstacles == []
    assert survey.rows is not None
    counts = {each.status: each.rows for each in survey.rows.states}
    assert counts == {"pending": 12, "running": 6, "suspended": 6, "completed": 12, "failed": 8}
    assert survey.rows.live == ["v1_old"]
    assert survey.rows.slow_indexes == []


def test_the_dry_run_of_an_empty_and_of_a_new_schema(empty_url: str) -> None:
    survey = asyncio.run(survey_at(empty_url))
    assert (survey.before, len(survey.steps), survey.rows, survey.obstacles) == (0, migrate.VERSION, None, [])
    assert survey.rewriting == []
    asyncio.run(migrate.migrate_at(empty_url))
    survey = asyncio.run(survey_at(empty_url))
    assert (survey.before, survey.steps, survey.obstacles) == (migrate.VERSION, [], [])


def test_what_the_dry_run_calls_an_obstacle_is_one(empty_url: str) -> None:
    with psycopg.connect(empty_url, autocommit=True) as connection:
        version_1.make(connection, loose=True)
        connection.execute('ALTER TABLE executions DROP CONSTRAINT "State, of course"')
        version_1.execution(connection, "paused")
        connection.execute("CREATE TABLE executions_run_at ()")
        obstacles = asyncio.run(survey_at(empty_url)).obstacles
        assert len(obstacles) == 2
        assert "the name executions_run_at is taken" in obstacles
        assert any("1 executions have the status 'paused'" in each for each in obstacles)
        with pytest.raises(Exception, match="executions_status"):
            asyncio.run(migrate.migrate_at(empty_url))
        connection.execute("DELETE FROM executions")
        with pytest.raises(Exception, match="executions_run_at"):
            asyncio.run(migrate.migrate_at(empty_url))


def test_the_dry_run_tells_an_account_without_the_rights_which_it_lacks(each_server: Scratch) -> None:
    with empty_schema(each_server) as url, psycopg.connect(url, autocommit=True) as connection:
        version_1.make(connection)
        schema = connection.execute("SELECT current_schema()").fetchone()
        assert schema is not None
        role = f"{schema[0]}_reader"
        try:
            connection.execute(f"CREATE ROLE {role}")
        except psycopg.errors.InsufficientPrivilege:
            pytest.skip("the account may not make roles")
        try:
            connection.execute(f"GRANT USAGE ON SCHEMA {schema[0]} TO {role}")
            connection.execute(f"GRANT SELECT ON schema_migrations TO {role}")
            options = conninfo.conninfo_to_dict(url)["options"]
            survey = asyncio.run(survey_at(conninfo.make_conninfo(url, options=f"{options} -c role={role}")))
            assert survey.rows is None
            create, own = survey.obstacles
            assert f"{role} may not make tables in the schema {schema[0]}" in create
            assert "does not own dead_letter_queue, executions, schema_migrations, worker_heartbeats" in own
        finally:
            connection.execute(f"DROP OWNED BY {role}")
            connection.execute(f"DROP ROLE {role}")
