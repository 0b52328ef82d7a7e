"""Two documents side by side: which figures differ, by more than chance and by enough to matter. Pure, but for `read`.

A verdict rests on repeats (`--repeat`): a figure is better or worse where the exact two-sided Mann–Whitney test finds a
p-value of at most 5 %, and the medians differ by at least 1 %. Where even repeats that do not overlap could not reach
5 %, there are too few to say; four on each side are enough.
"""

import statistics
from pathlib import Path

import msgspec

from currant.bench.differences import warnings
from currant.bench.mann_whitney import p_value, p_value_least
from currant.bench.results import FIGURES, FORMAT, Document, Section, decode
from currant.errors import ConfigurationError

P_MAX = 0.05
#: Less than this share of a's median is no difference that matters, however sure.
EFFECT_MIN = 0.01

BETTER, WORSE, DIFFERENT = "better", "worse", "different"
ALIKE = "no difference shown"
TOO_FEW = "too few runs to say"

#: Of the bare statements, which no line of Python can have made slower.
_FLOOR_MOVED = (
    "the SQL floor differs: the statements, the server or the state of the machine do; compare the ratios to it"
)


class Sample(msgspec.Struct, frozen=True):
    """A figure's value in each repeat of one document."""

    values: list[float]
    median: float
    min: float
    max: float


class Compared(msgspec.Struct, frozen=True):
    """A figure that both have. `ratio` is b's median over a's, None over 0; `p` is None where there are too few runs.

    `verdict`: of b, `better` or `worse`; `different` where neither more nor less is better; `no difference shown`;
    `too few runs to say`.
    """

    mode: str
    figure: str
    unit: str
    a: Sample
    b: Sample
    ratio: float | None
    p: float | None
    verdict: str


class Side(msgspec.Struct, frozen=True):
    """Which document it is."""

    started: str
    command: list[str]
    currant: str
    commit: str | None
    checks_failed: int


class Comparison(msgspec.Struct, frozen=True):
    """What `compare` found; its JSON. `warnings` say what differs beside the code, a sentence each."""

    a: Side
    b: Side
    figures: list[Compared]
    warnings: list[str]

    @property
    def worse(self) -> bool:
        """Whether b is worse: in a figure, or because its figures mean nothing."""
        return self.b.checks_failed > 0 or any(each.verdict == WORSE for each in self.figures)


def read(file: Path) -> Document:
    """Returns the document. Raises ConfigurationError when the file is none: in a line, which and why."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}") from None
    try:
        head = msgspec.json.decode(content)
    except (msgspec.DecodeError, RecursionError):
        raise ConfigurationError(f"{file} is not JSON, and so no result of currant bench --json") from None
    if not isinstance(head, dict) or not {"format", "sections"} <= head.keys():
        old = isinstance(head, dict) and {"mode", "jobs", "currant", "postgres"} <= head.keys()
        why = (
            "was written by an earlier bench, whose results cannot be compared: measure again"
            if old
            else "is no result"
        )
        raise ConfigurationError(f"{file} {why} (currant bench --json)")
    if head["format"] != FORMAT:
        raise ConfigurationError(f"{file} has format {head['format']}; this Currant reads {FORMAT}")
    try:
        return decode(content)
    except msgspec.DecodeError as error:
        raise ConfigurationError(f"{file} is no result of currant bench --json: {error}") from None


def compare(a: Document, b: Document) -> Comparison:
    """Returns how b differs from a, in every figure that both have."""
    of_b = {section.mode: section for section in b.sections}
    pairs = [(section, of_b[section.mode]) for section in a.sections if section.mode in of_b]
    figures = [
        _compared(one.mode, name, _sample(one, name), _sample(other, name))
        for one, other in pairs
        for name in one.figures
        if name in other.figures
    ]
    floors = [each for each in figures if each.figure == "floor_per_s" and each.verdict == DIFFERENT]
    return Comparison(
        a=_side(a), b=_side(b), figures=figures, warnings=[*warnings(a, b), *(_FLOOR_MOVED for _ in floors)]
    )


def _side(document: Document) -> Side:
    return Side(
        started=document.started,
        command=document.command,
        currant=document.environment.currant,
        commit=document.environment.commit,
        checks_failed=len(document.failed),
    )


def _sample(section: Section, name: str) -> Sample:
    # Without --repeat there is only the figure itself.
    values = [repeat[name] for repeat in section.repeats if name in repeat] or [section.figures[name]]
    return Sample(values=values, median=statistics.median(values), min=min(values), max=max(values))


def _compared(mode: str, name: str, a: Sample, b: Sample) -> Compared:
    enough = p_value_least(len(a.values), len(b.values)) <= P_MAX
    p = p_value(a.values, b.values) if enough else None
    figure = FIGURES.get(name)
    return Compared(
        mode=mode,
        figure=name,
        unit=figure.unit if figure else "",
        a=a,
        b=b,
        ratio=b.median / a.median if a.median else None,
        p=p,
        verdict=_verdict(a.median, b.median, p, figure.more_is_better if figure else None),
    )


def _verdict(a: float, b: float, p: float | None, more_is_better: bool | None) -> str:
    if p is None:
        return TOO_FEW
    if p > P_MAX or a == b or abs(b - a) < EFFECT_MIN * abs(a):
        return ALIKE
    if more_is_better is None:
        return DIFFERENT
    return BETTER if (b > a) == more_is_better else WORSE
