"""A comparison on a terminal."""

import textwrap
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.text import Text

from currant.bench.amounts import amount
from currant.bench.compare import ALIKE, BETTER, DIFFERENT, TOO_FEW, WORSE, Compared, Comparison, Sample, Side
from currant.bench.lines import WIDTH
from currant.bench.report import print_line

_STYLES = {BETTER: "bold green", WORSE: "bold red", DIFFERENT: "yellow", ALIKE: "", TOO_FEW: "dim"}


def show_comparison(comparison: Comparison, console: Console) -> None:
    """Prints the verdicts for people, in 80 columns; the warnings first, which say how much to believe."""
    for line in _lines(comparison):
        print_line(line, console)


def _lines(comparison: Comparison) -> Iterator[Text]:
    yield _side("a", comparison.a)
    yield _side("b", comparison.b)
    for warning in comparison.warnings:
        lines = textwrap.wrap("! " + warning, WIDTH, subsequent_indent="  ")
        yield from (Text(line, style="yellow") for line in lines)
    modes = list(dict.fromkeys(each.mode for each in comparison.figures))
    for mode in modes:
        yield Text()
        yield from _mode(mode, [each for each in comparison.figures if each.mode == mode])
    yield Text()
    yield _summary(comparison)


def _side(name: str, side: Side) -> Text:
    commit = f" ({side.commit[:10]})" if side.commit else ""
    text = f"{name}: Currant {side.currant}{commit}, {side.started}, {' '.join(side.command) or 'no options'}"
    return Text(textwrap.shorten(text, WIDTH, placeholder=" …"), style="dim")


def _mode(mode: str, figures: Sequence[Compared]) -> Iterator[Text]:
    cells = [[_range(each.a), _range(each.b), amount(each.a.median), amount(each.b.median)] for each in figures]
    width = max(13, *(len(cell) for line in cells for cell in line))
    yield Text.assemble((f"{mode:<24}", "bold"), (f"{'a':>{width}} {'b':>{width}} {'b ÷ a':>6}  b is", "dim"))
    for each, (of_a, of_b, a, b) in zip(figures, cells, strict=True):
        ratio = "" if each.ratio is None else f"{each.ratio:.3f}"
        line = f"  {each.figure:<22}{a:>{width}} {b:>{width}} {ratio:>6}  "
        yield Text.assemble(line, (each.verdict, _STYLES[each.verdict]))
        if len(each.a.values) > 1 or len(each.b.values) > 1:
            p = "" if each.p is None else f"p {each.p:.2g}"
            yield Text(f"{'':<24}{of_a:>{width}} {of_b:>{width}} {'':>6}  {p}".rstrip(), style="dim")


def _range(sample: Sample) -> str:
    if len(sample.values) == 1:
        return ""
    return f"{amount(sample.min)}–{amount(sample.max)}"


def _summary(comparison: Comparison) -> Text:
    if not comparison.figures:
        return Text("the two have no figure in common: nothing was compared", style="yellow")
    counts = {
        verdict: sum(each.verdict == verdict for each in comparison.figures)
        for verdict in (WORSE, BETTER, DIFFERENT, ALIKE, TOO_FEW)
    }
    text = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
    if counts[TOO_FEW]:
        text += ": measure both with --repeat 4 or more"
    return Text(text, style=_STYLES[WORSE] if counts[WORSE] else "bold")
