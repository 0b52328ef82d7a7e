"""Numbers for people: three figures that count, and a unit."""

from currant.bench.results import FIGURES, Figure

NONE = "—"


def short(value: float | None) -> str:
    """Returns `1,234`, `12.3` or `0.123`."""
    if value is None:
        return NONE
    size = abs(value)
    if size >= 99.95 or value == 0:
        return f"{value:,.0f}"
    return f"{value:.1f}" if size >= 9.995 else f"{value:.2f}" if size >= 0.9995 else f"{value:.3g}"


def per_s(value: float | None) -> str:
    return NONE if value is None else f"{short(value)}/s"


def share(value: float | None) -> str:
    """Returns a share of 1 in percent."""
    return NONE if value is None else f"{100 * value:.1f} %"


def size(value: float | None) -> str:
    """Returns bytes in the unit that suits them."""
    if value is None:
        return NONE
    for unit in ("B", "kB", "MB"):
        if abs(value) < 1000:
            return f"{short(value)} {unit}"
        value /= 1000
    return f"{short(value)} GB"


def figure(name: str, value: float) -> tuple[str, str]:
    """Returns a section's figure and its unit."""
    unit = meaning(name).unit
    if unit == "share":
        return f"{100 * value:.1f}", "%"
    return (f"{value:.2f}", "×") if unit == "×" else (short(value), unit)


def meaning(name: str) -> Figure:
    """Returns what the figure means; one that a newer Currant knows goes by its name."""
    return FIGURES.get(name) or Figure(name.replace("_", " "), "", None)
