"""How people look at a node and at what it needs: `currantctl doctor`, against what is well and what is not."""

import json
from pathlib import Path
from typing import Any

import psycopg
from psycopg import conninfo

from tests.nodes import World
from tests.process.test_cli import CURRANTCTL, _run
from tests.roles import temporary_role


def doctor(folder: Path, *args: str, **env: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """Returns the exit code, and the checks by name."""
    result = _run(CURRANTCTL, "doctor", "--json", *args, folder=folder, **env)
    assert result.stderr == ""
    report = json.loads(result.stdout)
    assert (result.returncode == 1) == (report["verdict"] == "failed")
    return result.returncode, {each["name"]: each for each in report["checks"]}


def test_doctor_of_a_broken_setup_names_what_is_broken_and_fails(empty_url: str, tmp_path: Path) -> None:
    code, checks = doctor(tmp_path)
    assert (code, checks["connection"]["found"]) == (1, "no database is named")

    code, checks = doctor(tmp_path, CURRANT_PROCS="0")
    assert code == 1
    assert "CURRANT_PROCS must be" in checks["values"]["found"]

    code, checks = doctor(tmp_path, CURRANT_DATABASE_URL="postgresql://someone@127.0.0.1:1/nowhere")
    assert code == 1
    assert "refused" in checks["connection"]["found"]
    assert "start the server" in checks["connection"]["advice"]

    code, checks = doctor(tmp_path, CURRANT_DATABASE_URL=empty_url)
    assert (code, checks["schema"]["advice"]) == (1, "run `currant migrate`")
    assert checks["connection"]["verdict"] == "ok"

    with temporary_role(empty_url) as role:
        wrong = conninfo.make_conninfo(role.url, password="wrong")
        code, checks = doctor(tmp_path, CURRANT_DATABASE_URL=wrong)
        # Where the server trusts everyone, the role comes in, and lacks all else.
        assert code == 1
        assert "wrong" not in json.dumps(checks)


def test_doctor_says_what_a_role_lacks_and_that_an_old_schema_is_old(world: World, tmp_path: Path) -> None:
    with temporary_role(world.url) as role, psycopg.connect(world.url, autocommit=True) as connection:
        ((schema,),) = connection.execute("SELECT quote_ident(current_schema())").fetchall()
        connection.execute(f'GRANT USAGE ON SCHEMA {schema} TO "{role.name}"')
        connection.execute(f'GRANT SELECT ON schema_migrations TO "{role.name}"')
        code, checks = doctor(tmp_path, CURRANT_DATABASE_URL=role.url)
        assert code == 1
        assert checks["schema"]["verdict"] == "ok"
        assert "DELETE on executions" in checks["rights"]["found"] or "more" in checks["rights"]["found"]
        assert "currant grant" in checks["rights"]["advice"]
        connection.execute("DELETE FROM schema_migrations WHERE version > 2")
        code, checks = doctor(tmp_path, CURRANT_DATABASE_URL=world.url)
        assert code == 1
        assert "version 2" in checks["schema"]["found"]
        assert "rights" not in checks
