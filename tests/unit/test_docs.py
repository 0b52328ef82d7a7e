"""What the docs say of the code is made from the code."""

from pathlib import Path

from currant import settings
from currant.cli import reference
from currant.supervisor import events
from currant.supervisor.metrics import page

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_of_the_settings_is_what_the_code_says() -> None:
    assert (DOCS / "settings.md").read_text() == settings.describe(), (
        "run: python -m currant.settings > docs/settings.md"
    )


def test_the_page_of_the_log_events_is_what_the_code_says() -> None:
    text = events.describe()
    assert (DOCS / "events.md").read_text() == text, "run: python -m currant.supervisor.events > docs/events.md"


def test_the_page_of_the_commands_is_what_the_code_says() -> None:
    text = reference.describe()
    assert (DOCS / "cli.md").read_text() == text, "run: python -m currant.cli.reference > docs/cli.md"


def test_the_page_of_the_metrics_is_what_the_code_says() -> None:
    text = page.describe()
    assert (DOCS / "metrics.md").read_text() == text, "run: python -m currant.supervisor.metrics > docs/metrics.md"
