"""The pages of the documentation as blocks of code. CONTRIBUTING.md says how they are run."""

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
#: Languages that are shown and do nothing, unless a title makes the block a file.
SHOWN = frozenset({"text", "toml", "sql", "html"})
LANGUAGES = SHOWN | {"python", "sh", "output"}

_FENCE = re.compile(r'(?P<indent>\s*)```(?P<language>\w*)(?: title="(?P<title>[^"]+)")?\s*$')
_NOT_RUN = re.compile(r"<!-- not run: (?P<reason>.+) -->$")
_HIDDEN = re.compile(r"<!-- run: (?P<command>.+) -->$")


class Block(NamedTuple):
    """A fenced block, or a hidden command: `line` is that of its first line of text, `not_run` why it is left out."""

    page: Path
    line: int
    language: str
    title: str | None
    text: str
    not_run: str | None

    @property
    def place(self) -> str:
        return f"{shown(self.page)}:{self.line}"


class Malformed(AssertionError):
    """A page that the runner would misread."""


def pages() -> list[Path]:
    """Returns the pages of the documentation, the notes of single branches left out."""
    docs = sorted((ROOT / "docs").rglob("*.md"))
    return [ROOT / "README.md", *(page for page in docs if "notes" not in page.relative_to(ROOT).parts)]


def blocks(page: Path) -> list[Block]:
    """Returns the page's blocks in their order.

    Raises:
        Malformed: a fence is indented, not closed, or of a language that nobody decided about.
    """
    found: list[Block] = []
    lines = page.read_text().splitlines()
    opened: tuple[int, re.Match[str]] | None = None
    reason: str | None = None
    for number, line in enumerate(lines, 1):
        fence = _FENCE.match(line)
        if opened is not None:
            start, head = opened
            if line.strip() == "```":
                text = "".join(f"{each}\n" for each in lines[start : number - 1])
                found.append(Block(page, start + 1, head["language"], head["title"], text, reason))
                opened, reason = None, None
        elif fence is not None:
            _check(fence, f"{shown(page)}:{number}")
            opened = number, fence
        elif line.strip():
            comment = _NOT_RUN.match(line)
            reason = None if comment is None else comment["reason"]
            if hidden := _HIDDEN.match(line):
                found.append(Block(page, number, "sh", None, f"{hidden['command']}\n", None))
    if opened is not None:
        raise Malformed(f"{shown(page)}:{opened[0]}: the block is not closed")
    return found


def shown(page: Path) -> str:
    """Returns the page's name as people know it."""
    return str(page.relative_to(ROOT)) if page.is_relative_to(ROOT) else page.name


def _check(fence: re.Match[str], place: str) -> None:
    if fence["indent"]:
        raise Malformed(f"{place}: an indented block would not be run: put it at the margin")
    if fence["language"] not in LANGUAGES:
        raise Malformed(f"{place}: a block is one of {', '.join(sorted(LANGUAGES))}, got {fence['language']!r}")
