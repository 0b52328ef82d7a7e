"""The migrations as they lie in `migrations/`: what each means and says, and all of them as one script."""

import re
from importlib import resources
from typing import NamedTuple

from psycopg import sql

# Any fixed number that others are unlikely to take: "currant" in ASCII.
LOCK = 0x63757272616E74

_HEAD = """\
-- Currant's schema, from version {before} to version {newest}, in one transaction.
-- It works on the schema that the search path leads to. For psql: psql -v ON_ERROR_STOP=1 -f FILE

BEGIN;

-- Only one at a time.
SELECT pg_advisory_xact_lock({lock});

DO $$
DECLARE
    found int := 0;
BEGIN
    IF to_regclass('schema_migrations') IS NOT NULL THEN
        SELECT coalesce(max(version), 0) INTO found FROM schema_migrations;
    END IF;
    IF found <> {before} THEN
        RAISE EXCEPTION 'this script begins at version {before}, and the schema is of version %', found
            USING HINT = 'Make it anew: currant migrate --sql';
    END IF;
END $$;
"""


class Step(NamedTuple):
    """One migration. `meaning`: one line for people; `rewrites`: it rewrites the table `executions`."""

    version: int
    meaning: str
    rewrites: bool
    text: str

    @property
    def names(self) -> list[str]:
        """The tables and indexes that it makes."""
        return re.findall(r"^CREATE (?:TABLE|(?:UNIQUE )?INDEX) (\w+)", self.text, re.MULTILINE)


def steps(before: int, newest: int) -> list[Step]:
    """Returns what leads from one version to the other, in order; nothing when there is nothing to do."""
    return [_step(version) for version in range(before + 1, newest + 1)]


def record(version: int) -> str:
    """Returns the statement that notes a version as applied."""
    return sql.SQL("INSERT INTO schema_migrations (version) VALUES ({});").format(version).as_string(None)


def script(before: int, newest: int) -> str:
    """Returns the whole migration as SQL, for other tools than ours; a comment when there is nothing to do."""
    if before >= newest:
        return f"-- Currant's schema is of version {before} already: there is nothing to do.\n"
    parts = [_HEAD.format(before=before, newest=newest, lock=LOCK)]
    for step in steps(before, newest):
        parts += [step.text, record(step.version) + "\n"]
    return "\n".join([*parts, "COMMIT;\n"])


def _step(version: int) -> Step:
    text = resources.files("currant.store").joinpath("migrations", f"{version:04}.sql").read_text("utf-8")
    head = text.partition("\n\n")[0]
    lines = [line.removeprefix("--").strip() for line in head.splitlines() if line.startswith("--")]
    rewrites = any(line.startswith("Rewrites executions") for line in lines)
    return Step(version, _meaning(lines), rewrites, text)


def _meaning(lines: list[str]) -> str:
    """Returns the first sentence of a migration's comment, without the version's number."""
    end = next((number for number, line in enumerate(lines) if line.endswith(".")), len(lines) - 1)
    return re.sub(r"^Version \d+[:,] ", "", " ".join(lines[: end + 1]))
