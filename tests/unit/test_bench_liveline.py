"""The live line is as wide as the terminal at most; what is least missed goes first."""

import io

import pytest
from rich.console import Console

from currant.bench.liveline import live_line
from currant.bench.progress import live

NOW = "38,638/s, 6,400 in flight, p99 12.3 ms"


@pytest.mark.parametrize(
    ("width", "line"),
    [
        (79, "drain " + "█" * 10 + " " * 10 + "   50 %  38,638/s, 6,400 in flight, p99 12.3 ms  1:05"),
        (60, "drain  50 %  38,638/s, 6,400 in flight, p99 12.3 ms  1:05"),
        (52, "drain  50 %  38,638/s, 6,400 in flight, p99 12.3 ms"),
        (45, "drain 38,638/s, 6,400 in flight, p99 12.3 ms"),
        (20, "drain ██████      "),
        (3, "d…"),
    ],
)
def test_a_narrow_terminal_loses_what_is_least_missed(width: int, line: str) -> None:
    shown = live_line("drain", 500, 1000, NOW, 65.2, width).plain
    assert shown == line
    assert len(shown.rstrip()) <= width


def test_a_long_text_is_cut() -> None:
    shown = live_line("drain with a very long name of its run " * 3, 500, 1000, NOW, 65.2, 79).plain
    assert shown.startswith("drain with a very … ███")
    assert shown.endswith(f"   50 %  {NOW}  1:05")
    assert len(shown) <= 79


def test_without_a_total_the_count_is_told() -> None:
    assert live_line("saturated", 12_345, None, "100/s", 3.0, 79).plain == "saturated 12,345  100/s  0:03"


def test_a_wide_terminal_has_a_bar_that_is_not_endless() -> None:
    assert len(live_line("drain", 5, 10, NOW, 3.0, 400).plain) < 100


def test_more_than_the_total_is_all() -> None:
    assert "100 %" in live_line("drain", 11, 10, "", 3.0, 79).plain


def test_a_terminal_gets_the_line_and_keeps_nothing_of_it() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=80, _environ={"TERM": "xterm"})
    with live(console, "drain", 10) as shown:
        shown.p99_ms = 12.3
        shown.show(5, 64)
    assert "64 in flight, p99 12.3 ms" in out.getvalue()
    # The last thing is to erase the line.
    assert out.getvalue().endswith("\x1b[2K")


def test_a_log_gets_nothing_from_what_is_over_soon() -> None:
    out = io.StringIO()
    with live(Console(file=out), "drain", 10) as shown:
        shown.show(10, 0)
    assert out.getvalue() == ""
