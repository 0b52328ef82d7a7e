"""The texts of the statements, as they are sent."""

import re
from importlib import resources

import pytest
from psycopg import _queries

from currant.store.statements import load

#: What is also sent over an application's own connections, by psycopg's cursors.
ENQUEUES = ["enqueue", "enqueue_one", "enqueue_any", "unique_holders"]


@pytest.mark.parametrize("name", ENQUEUES)
def test_an_enqueue_is_short_enough_for_psycopg_to_remember_how_it_reads_it(name: str) -> None:
    text = load(name).text
    assert len(text) <= _queries.MAX_CACHED_STATEMENT_LENGTH
    assert len(set(re.findall(rb"%\((\w+)\)s", text))) <= _queries.MAX_CACHED_STATEMENT_PARAMS


def test_a_statement_is_sent_with_what_its_first_line_says_and_without_its_other_comments() -> None:
    lines = load("claim").text.decode().splitlines()
    assert lines[0].startswith("-- Claims")
    assert not [line for line in lines[1:] if "--" in line]
    file = resources.files("currant.store").joinpath("sql", "claim.sql").read_text()
    bare = [line.lstrip() for line in file.splitlines()]
    assert [line for line in bare if not line.startswith("--")] == lines[1:]
