"""The examples of the documentation do what the pages say, page by page."""

import asyncio
from pathlib import Path

import pytest

from currant.store import migrate
from tests.docs.pages import blocks, pages, shown
from tests.docs.project import Project


def _runs(page: Path) -> bool:
    return any(block.language in ("python", "sh") and block.not_run is None for block in blocks(page))


@pytest.mark.parametrize("page", [pytest.param(page, id=shown(page)) for page in filter(_runs, pages())])
def test_the_examples_of_a_page_run_in_their_order(page: Path, empty_url: str, tmp_path: Path) -> None:
    found = [block for block in blocks(page) if block.not_run is None]
    if not any(block.language == "sh" and "currant migrate" in block.text for block in found):
        asyncio.run(migrate.migrate_at(empty_url))
    with Project(tmp_path, empty_url) as project:
        for block in found:
            project.run(block)
