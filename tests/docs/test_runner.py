"""What runs the examples: what a page says wrongly fails, and at which line."""

from pathlib import Path

import pytest

from tests.docs.pages import Malformed, blocks
from tests.docs.project import ExampleFailed, Project

NOWHERE = "postgresql://nobody@localhost:1/nothing"


def run(text: str, folder: Path) -> None:
    page = folder / "page.md"
    page.write_text(text)
    with Project(folder, NOWHERE) as project:
        for block in blocks(page):
            if block.not_run is None:
                project.run(block)


def test_what_is_printed_is_compared_and_an_ellipsis_is_anything(tmp_path: Path) -> None:
    run("```python\nprint('one', 2)\nprint('three')\n```\n\n```output\none …\nthree\n```\n", tmp_path)
    with pytest.raises(ExampleFailed, match=r"page\.md:6: the output is\none 2"):
        run("```python\nprint('one', 2)\n```\n\n```output\none\n```\n", tmp_path)


def test_a_block_that_raises_fails_with_the_line_of_its_page(tmp_path: Path) -> None:
    with pytest.raises(ExampleFailed, match=r'File "page\.md", line 3'):
        run("\n```python\nprint(unknown)\n```\n", tmp_path)


def test_names_stay_and_await_is_allowed(tmp_path: Path) -> None:
    text = "```python\nimport asyncio\n\nslept = await asyncio.sleep(0, 'well')\n```\n\n```python\nprint(slept)\n```\n"
    run(f"{text}\n```output\nwell\n```\n", tmp_path)


def test_a_block_with_a_title_is_a_file_and_a_second_one_is_added(tmp_path: Path) -> None:
    file = '```python title="{}"\n{}\n```\n\n'
    run(file.format("made/one.py", "ONE = 1") + file.format("made/one.py", "TWO = ONE + 1"), tmp_path)
    assert (tmp_path / "made/one.py").read_text() == "ONE = 1\n\n\nTWO = ONE + 1\n"


def test_a_command_that_fails_fails_the_page(tmp_path: Path) -> None:
    with pytest.raises(ExampleFailed, match="exit code 3"):
        run("```sh\nexit 3\n```\n", tmp_path)


def test_job_and_an_ellipsis_is_the_last_id_that_was_printed(tmp_path: Path) -> None:
    run("```sh\necho job_17\necho of job_…\n```\n\n```output\nof job_17\n```\n", tmp_path)
    with pytest.raises(ExampleFailed, match="no execution's id"):
        run("```sh\necho job_…\n```\n", tmp_path)


def test_a_block_is_left_out_for_a_reason_alone(tmp_path: Path) -> None:
    run("<!-- not run: it is wrong -->\n```python\nnonsense\n```\n", tmp_path)
    with pytest.raises(ExampleFailed):
        run("<!-- not run: it is wrong -->\n\nwords\n\n```python\nnonsense\n```\n", tmp_path)


def test_a_hidden_command_runs(tmp_path: Path) -> None:
    run("<!-- run: echo seen -->\n\n```output\nseen\n```\n", tmp_path)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("  ```python\n  print(1)\n  ```\n", "margin"),
        ("```pyhton\nprint(1)\n```\n", "pyhton"),
        ("```python\nprint(1)\n", "not closed"),
    ],
)
def test_a_block_that_would_be_misread_is_refused(text: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(Malformed, match=why):
        run(text, tmp_path)
