"""What the docs say of the code is made from the code."""

from pathlib import Path

from currant import settings

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_of_the_settings_is_what_the_code_says() -> None:
    assert (DOCS / "settings.md").read_text() == settings.describe(), (
        "run: python -m currant.settings > docs/settings.md"
    )
