"""From several repetitions of a mode to one section. Pure."""

import statistics
from collections.abc import Sequence

import msgspec

from currant.bench.results import Check, Section


def merge(repetitions: Sequence[Section]) -> Section:
    """Returns the section with the medians of the figures; runs and answer are those of the repetition in the middle.

    The middle is by the section's first figure. Checks that failed in another repetition are kept: no repetition is
    left out for what it found.
    """
    if len(repetitions) == 1:
        return repetitions[0]
    names = list(repetitions[0].figures)
    by_first = sorted(range(len(repetitions)), key=lambda each: list(repetitions[each].figures.values())[:1])
    middle = by_first[(len(by_first) - 1) // 2]
    others = [
        Check(name=check.name, ok=False, text=f"repetition {number + 1}: {check.text}")
        for number, section in enumerate(repetitions)
        if number != middle
        for check in section.failed
    ]
    section = repetitions[middle]
    return msgspec.structs.replace(
        section,
        answer=f"{section.answer} (The middle one of {len(repetitions)} repetitions.)",
        figures={
            name: statistics.median(each.figures[name] for each in repetitions if name in each.figures)
            for name in names
        },
        repeats=[each.figures for each in repetitions],
        checks=[*section.checks, *others],
    )
