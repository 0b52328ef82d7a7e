"""The texts of the statements, as they are sent."""

import re
from importlib import resources

import pytest
from psycopg import _queries

from currant.store.statements import load

NAMES = sorted(file.name[:-4] for file in resources.files("currant.store").joinpath("sql").iterdir())


@pytest.mark.parametrize("name", NAMES)
def test_a_statement_is_short_enough_for_psycopg_to_remember_how_it_reads_it(name: str) -> None:
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
