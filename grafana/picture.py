"""`python -m grafana.picture http://127.0.0.1:9090 docs/dashboard.png`: draws all panels from Prometheus' answers.

It needs matplotlib, which Currant does not: `pip install matplotlib` into an environment of its own, and run it from
the folder of the repository. `--start` and `--end` are Unix seconds; without them, it draws the last four minutes.
"""

import argparse
import importlib
import io
import math
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from grafana import answers, dashboard
from grafana.answers import Series, Span
from grafana.panels import COLUMNS, Kind, Panel
from grafana.units import text

#: In pixels: the picture, one unit of the dashboard's height, the heading above all.
_WIDTH, _UNIT, _TOP, _GAP = 1600, 29, 44, 6
_PALETTE = (
    *("#56a64b", "#d9a514", "#3274d9", "#ff780a", "#e02f44", "#8f3bb8", "#0f9d9d", "#e0559a", "#8c5a2b", "#7b8087"),
    *("#a3b81c", "#1b3a7a", "#f29191", "#6ec6f0", "#2f5d3a", "#b9a0e0"),
)
_COLORS = {"green": "#56a64b", "orange": "#ff780a", "red": "#e02f44", "blue": "#3274d9", "text": "#7b8087"}
_INK, _FAINT, _LINE, _GROUND = "#24292e", "#6a6f75", "#e4e7eb", "#f4f5f5"

#: A place in pixels from the top left: x, y, width, height.
Box = tuple[float, float, float, float]


class Picture:
    """The picture in the making.

    Attributes:
        empty: the panels that had no data.
        zero: the panels that had data, all of it 0.
    """

    def __init__(self, address: str, span: Span) -> None:
        matplotlib: Any = importlib.import_module("matplotlib")
        matplotlib.use("agg")
        matplotlib.rcParams["font.family"] = "DejaVu Sans"
        self._patches: Any = importlib.import_module("matplotlib.patches")
        self._paths: Any = importlib.import_module("matplotlib.textpath")
        self._fonts: Any = importlib.import_module("matplotlib.font_manager")
        self._address, self._span = address, span
        self._times = span.times()
        self.empty: list[str] = []
        self.zero: list[str] = []
        placed = dashboard.dashboard()["panels"]
        self._height = _TOP + _UNIT * max(one["gridPos"]["y"] + one["gridPos"]["h"] for one in placed) + _GAP
        pyplot: Any = importlib.import_module("matplotlib.pyplot")
        self._figure: Any = pyplot.figure(figsize=(_WIDTH / 100, self._height / 100), dpi=100, facecolor=_GROUND)
        self._draw_all(placed)

    def png(self) -> bytes:
        """Returns it, in 256 colours."""
        drawn = io.BytesIO()
        self._figure.savefig(drawn, format="png", facecolor=_GROUND)
        images: Any = importlib.import_module("PIL.Image")
        written = io.BytesIO()
        images.open(drawn).convert("RGB").quantize(256, kmeans=4, dither=0).save(written, format="png", optimize=True)
        return written.getvalue()

    def _draw_all(self, placed: Sequence[dict[str, Any]]) -> None:
        begin, end = (datetime.fromtimestamp(at, UTC) for at in (self._times[0], self._times[-1]))
        self._write(12, 28, f"{dashboard.TITLE}   {begin:%Y-%m-%d %H:%M:%S} to {end:%H:%M:%S} UTC", 13, weight="bold")
        panels = iter(dashboard.panels())
        for one in placed:
            at = one["gridPos"]
            wide, y = _WIDTH - 2 * _GAP, _TOP + at["y"] * _UNIT
            if one["type"] == "row":
                self._write(12, y + 21, one["title"], 11, weight="bold")
                continue
            _, panel = next(panels)
            x = _GAP + at["x"] * wide / COLUMNS
            self._draw(panel, (x + 3, y + 3, at["w"] * wide / COLUMNS - 6, at["h"] * _UNIT - 6))

    def _draw(self, panel: Panel, box: Box) -> None:
        x, y, width, height = box
        self._figure.add_artist(
            self._patches.Rectangle(
                (x / _WIDTH, 1 - (y + height) / self._height),
                width / _WIDTH,
                height / self._height,
                facecolor="white",
                edgecolor=_LINE,
                linewidth=1,
                transform=self._figure.transFigure,
                zorder=-1,
            )
        )
        self._write(x + 9, y + 18, panel.title, 9, weight="bold")
        if panel.kind is Kind.TABLE:
            self._table(panel, box)
            return
        found = [answers.over(self._address, query.expr, self._span) for query in panel.queries]
        if not any(_has_data(series) for several in found for series in several):
            self._write(x + width / 2, y + height / 2 + 5, "No data", 10, color=_FAINT, ha="center")
            self.empty.append(panel.title)
            return
        if not any(value > 0 for several in found for series in several for value in series.values):
            self.zero.append(panel.title)
        if panel.kind is Kind.STAT:
            self._stat(panel, found, box)
        elif panel.kind is Kind.HEATMAP:
            self._heatmap(panel, found[0], box)
        elif panel.kind is Kind.STATES:
            self._states(panel, _named(panel, found), box)
        else:
            self._lines(panel, _named(panel, found), box)

    def _lines(self, panel: Panel, named: Sequence[tuple[str, Series]], box: Box) -> None:
        x, y, width, height = box
        legend = list(self._flowed([name for name, _ in named], width - 18))
        below = 14 * (legend[-1][2] + 1) + 6
        axes = self._axes((x + 66, y + 28, width - 82, height - 28 - 22 - below))
        base = [0.0] * len(self._times)
        top = 0.0
        for index, (_, series) in enumerate(named):
            color = _PALETTE[index % len(_PALETTE)]
            values = list(series.values)
            if panel.stacked:
                values = [under + value for under, value in zip(base, values, strict=True)]
            axes.plot(self._times, values, color=color, linewidth=1.1, solid_capstyle="butt", zorder=3)
            axes.fill_between(self._times, base, values, color=color, alpha=0.2 if panel.stacked else 0.05, linewidth=0)
            if panel.stacked:
                base = [under if math.isnan(value) else value for under, value in zip(base, values, strict=True)]
            top = max([top, *(value for value in values if math.isfinite(value))])
        axes.set_ylim(0, max(top * 1.08, panel.max or 0) or 1.08)
        axes.yaxis.set_major_locator(self._ticks(panel.unit, axes.get_ylim()[1]))
        axes.yaxis.set_major_formatter(lambda value, _: text(round(value, 9), panel.unit))
        for (name, left, line), index in zip(legend, range(len(named)), strict=True):
            low = y + height - below + 12 + 14 * line
            self._write(x + 9 + left, low, "━", 8, color=_PALETTE[index % len(_PALETTE)])
            self._write(x + 9 + left + 13, low, name, 8, color=_INK)

    def _stat(self, panel: Panel, found: Sequence[Sequence[Series]], box: Box) -> None:
        x, y, width, height = box
        axes = self._axes((x + 1, y + height * 0.7, width - 2, height * 0.3 - 1), bare=True)
        shown = [
            (query.legend, series) for query, several in zip(panel.queries, found, strict=True) for series in several
        ]
        for index, (legend, series) in enumerate(shown):
            last = next((value for value in reversed(series.values) if not math.isnan(value)), math.nan)
            color = _COLORS[[color for at, color in panel.steps if at == panel.steps[0][0] or last >= at][-1]]
            middle = x + width * (2 * index + 1) / (2 * len(shown))
            figure = text(last, panel.unit, panel.decimals)
            low = y + height * (0.5 if len(shown) > 1 else 0.58)
            self._write(middle, low, figure, 19, color=color, weight="bold", ha="center")
            if len(shown) > 1:
                self._write(middle, low + 16, legend, 8, color=_FAINT, ha="center")
            axes.fill_between(self._times, series.values, color=color, alpha=0.15, linewidth=0)
            axes.plot(self._times, series.values, color=color, linewidth=1, alpha=0.6)
        top = max(value for _, series in shown for value in series.values if math.isfinite(value))
        axes.set_ylim(0, max(top * 1.05, panel.max or 0) or 1)

    def _heatmap(self, panel: Panel, found: Sequence[Series], box: Box) -> None:
        x, y, width, height = box
        ordered = sorted(found, key=lambda series: float(series.labels["le"]))
        below = [0.0] * len(self._times)
        cells = []
        for series in ordered:
            cells.append([max(0.0, value - under) for value, under in zip(series.values, below, strict=True)])
            below = list(series.values)
        used = [index for index, row in enumerate(cells) if any(value > 0 for value in row)]
        first, last = max(0, used[0] - 1), min(len(cells), used[-1] + 2)
        axes = self._axes((x + 66, y + 28, width - 82, height - 28 - 26))
        grid = [[value if value > 0 else math.nan for value in row] for row in cells[first:last]]
        most = 1.2 * max(value for row in cells for value in row)
        colors = {"cmap": "Oranges", "vmin": 0, "vmax": most}
        axes.pcolormesh(self._times, range(last - first), grid, **colors, shading="nearest", zorder=2)
        axes.grid(visible=False)
        labels = [series.labels["le"] for series in ordered[first:last]]
        axes.set_yticks(range(0, len(labels), 1 + len(labels) // 10))
        axes.set_yticklabels(
            ["+Inf" if le == "+Inf" else text(float(le), panel.unit) for le in labels[:: 1 + len(labels) // 10]]
        )

    def _states(self, panel: Panel, named: Sequence[tuple[str, Series]], box: Box) -> None:
        x, y, width, height = box
        left = 20 + max(self._length(name, 8) for name, _ in named)
        axes = self._axes((x + left, y + 28, width - left - 16, height - 28 - 26))
        half = self._span.step / 2
        for index, (_, series) in enumerate(named):
            for value, begin, end in _runs(series.values):
                word, color = next((word, color) for state, word, color in panel.states if state == value)
                at, until = self._times[begin] - half, self._times[end] + half
                axes.barh(index, until - at, left=at, height=0.8, color=_COLORS[color], alpha=0.8, zorder=2)
                wide = (until - at) / (self._times[-1] - self._times[0]) * (width - left - 16)
                if wide > self._length(word, 8) + 4:
                    middle = (at + until) / 2
                    axes.text(middle, index, word, ha="center", va="center", fontsize=8, color="white", zorder=4)
        axes.grid(visible=False)
        axes.set_ylim(len(named) - 0.5, -0.5)
        axes.set_yticks(range(len(named)))
        axes.set_yticklabels([name for name, _ in named])

    def _table(self, panel: Panel, box: Box) -> None:
        x, y, width, _ = box
        units = [*panel.units, *[panel.unit] * len(panel.queries)]
        lines: dict[str, list[float]] = {}
        for column, query in enumerate(panel.queries):
            found = answers.instant(self._address, query.expr, self._span.rate_interval, self._times[-1])
            for labels, value in found:
                name = " ".join(labels.values())
                lines.setdefault(name, [math.nan] * len(panel.queries))[column] = value
        edges = [x + width - 9 - 84 * (len(panel.queries) - 1 - column) for column in range(len(panel.queries))]
        self._write(x + 9, y + 42, "function", 8, color=_COLORS["blue"], weight="bold")
        for edge, query in zip(edges, panel.queries, strict=True):
            self._write(edge, y + 42, query.legend, 8, color=_COLORS["blue"], weight="bold", ha="right")
        ordered = sorted(lines.items(), key=lambda line: -1 if math.isnan(line[1][0]) else line[1][0], reverse=True)
        for index, (name, values) in enumerate(ordered[:9]):
            low = y + 61 + 18 * index
            self._write(x + 9, low, name, 8)
            for edge, value, unit in zip(edges, values, units, strict=False):
                self._write(edge, low, "" if math.isnan(value) else text(value, unit), 8, ha="right")

    def _axes(self, box: Box, *, bare: bool = False) -> Any:
        x, y, width, height = box
        axes = self._figure.add_axes(
            (x / _WIDTH, 1 - (y + height) / self._height, width / _WIDTH, height / self._height), facecolor="none"
        )
        axes.set_xlim(self._times[0], self._times[-1])
        for side in axes.spines.values():
            side.set_visible(False)
        if bare:
            axes.set_axis_off()
            return axes
        minutes = [60 * minute for minute in range(math.ceil(self._times[0] / 60), int(self._times[-1] // 60) + 1)]
        axes.set_xticks(minutes)
        axes.set_xticklabels([f"{datetime.fromtimestamp(at, UTC):%H:%M}" for at in minutes])
        axes.tick_params(length=0, labelsize=8, labelcolor=_FAINT, pad=4)
        axes.grid(color=_LINE, linewidth=0.8, zorder=0)
        return axes

    def _ticks(self, unit: str, top: float) -> Any:
        tickers: Any = importlib.import_module("matplotlib.ticker")
        if unit == "bytes" or (unit == "s" and top > 60):
            # Whole MiB, or minutes, rather than a million bytes or a hundred seconds.
            rough = top / 4
            base = 1024 ** int(math.log(rough, 1024)) if unit == "bytes" else 1 if rough < 15 else 15
            steps = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
            return tickers.MultipleLocator(base * next(step for step in steps if base * step >= rough))
        return tickers.MaxNLocator(4, integer=unit == "short" and top >= 4)

    def _flowed(self, names: Sequence[str], width: float) -> Iterator[tuple[str, float, int]]:
        """Yields the names, each with its distance from the left and its line."""
        left, line = 0.0, 0
        for name in names:
            wide = self._length(name, 8) + 13 + 12
            if left and left + wide > width:
                left, line = 0.0, line + 1
            yield name, left, line
            left += wide

    def _length(self, written: str, points: float) -> float:
        path = self._paths.TextPath((0, 0), written or " ", size=points, prop=self._fonts.FontProperties())
        return float(path.get_extents().width) * 100 / 72

    def _write(self, x: float, y: float, written: str, points: float, color: str = _INK, **how: str) -> None:
        self._figure.text(x / _WIDTH, 1 - y / self._height, written, fontsize=points, color=color, **how)


def _named(panel: Panel, found: Sequence[Sequence[Series]]) -> list[tuple[str, Series]]:
    named = [
        (series.name(query.legend), series)
        for query, several in zip(panel.queries, found, strict=True)
        for series in several
        if _has_data(series)
    ]
    # Queries of a panel keep their order; the series of one are in that of their names.
    return sorted(named, key=lambda one: one[0]) if len(panel.queries) == 1 else named


def _has_data(series: Series) -> bool:
    return any(math.isfinite(value) for value in series.values)


def _runs(values: Sequence[float]) -> Iterator[tuple[float, int, int]]:
    """Yields each value with the first and the last index at which it stays the same."""
    begin = 0
    for index in range(1, len(values) + 1):
        if index == len(values) or values[index] != values[begin]:
            if not math.isnan(values[begin]):
                yield values[begin], begin, index - 1
            begin = index


def main() -> None:
    """Draws the picture, as the command line says."""
    options = argparse.ArgumentParser(prog="python -m grafana.picture", description="Draws the dashboard's panels.")
    options.add_argument("address", help="of Prometheus")
    options.add_argument("file", help="a PNG")
    options.add_argument("--start", type=float, default=time.time() - 240)
    options.add_argument("--end", type=float, default=time.time())
    options.add_argument("--step", type=float, default=5, help="seconds between two values")
    options.add_argument("--rate-interval", default="1m", help="four scrapes")
    said = options.parse_args()
    picture = Picture(said.address, Span(said.start, said.end, said.step, said.rate_interval))
    with open(said.file, "wb") as file:
        file.write(picture.png())
    print("no data:", ", ".join(picture.empty) or "none")
    print("nothing but 0:", ", ".join(picture.zero) or "none")


if __name__ == "__main__":
    main()
