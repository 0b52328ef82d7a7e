"""Values with their units, as Grafana writes them."""

import math

_TIMES = ((86400, "day"), (3600, "hour"), (60, "min"), (1, "s"), (1e-3, "ms"), (1e-6, "µs"))
_BYTES = ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))
_COUNTS = ((1e9, " Bil"), (1e6, " Mil"), (1e3, " K"))


def text(value: float, unit: str, decimals: int | None = None) -> str:
    """Returns the value in a unit of the dashboard: `s`, `bytes`, `percentunit`, `cps`, `short`."""
    if math.isnan(value):
        return "No data"
    if unit == "percentunit":
        return f"{_number(value * 100, decimals)}%"
    if unit == "s":
        return _scaled(value, _TIMES, "s", decimals, space=" ")
    if unit == "bytes":
        return _scaled(value, _BYTES, "B", decimals, space=" ")
    return _scaled(value, _COUNTS, "", decimals) + (" c/s" if unit == "cps" else "")


def _scaled(
    value: float, scales: tuple[tuple[float, str], ...], plain: str, decimals: int | None, space: str = ""
) -> str:
    for scale, name in scales:
        if abs(value) >= scale:
            return f"{_number(value / scale, decimals)}{space}{name}"
    return f"{_number(value, decimals)}{space if plain else ''}{plain}"


def _number(value: float, decimals: int | None) -> str:
    if decimals is not None:
        return f"{value:.{decimals}f}"
    # Three digits that count.
    digits = max(0, 2 - math.floor(math.log10(abs(value)))) if value else 0
    written = f"{value:.{min(digits, 4)}f}"
    return written.rstrip("0").rstrip(".") if "." in written else written
