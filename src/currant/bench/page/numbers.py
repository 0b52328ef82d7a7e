"""Numbers with their units, for people."""

from currant.bench import amounts
from currant.bench.amounts import amount
from currant.bench.results import FIGURES, Figure

NONE = "—"


def short(value: float | None) -> str:
    return NONE if value is None else amount(value)


def per_s(value: float | None) -> str:
    return NONE if value is None else f"{amount(value)}/s"


def share(value: float | None) -> str:
    """Returns a share of 1 in percent."""
    return NONE if value is None else f"{amounts.percent(value)} %"


def size(value: float | None) -> str:
    """Returns bytes in the unit that suits them."""
    return NONE if value is None else " ".join(amounts.size(value))


def figure(name: str, value: float) -> tuple[str, str]:
    """Returns a section's figure and its unit."""
    unit = meaning(name).unit
    if unit == "share":
        return amounts.percent(value), "%"
    return (f"{value:.2f}", "×") if unit == "×" else (amount(value), unit)


def meaning(name: str) -> Figure:
    """Returns what the figure means; one that a newer Currant knows goes by its name."""
    return FIGURES.get(name) or Figure(name.replace("_", " "), "", None)


def counted(count: int, thing: str) -> str:
    """Returns `1 check` or `2 checks`."""
    return f"{count:,} {thing}{'' if count == 1 else 's'}"
