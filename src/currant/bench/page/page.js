// Draws the plots: each figure holds its data as JSON (plots.py) and a place to draw in. Uses uPlot.
"use strict";
(() => {
  const HEIGHT = 210, PAPER_WIDTH = 480;
  const FONT = '11px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';
  const TIME = "seconds";

  const colour = name => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

  function number(value) {
    const size = Math.abs(value);
    const digits = size >= 100 || size === 0 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3;
    return value.toLocaleString("en", {maximumFractionDigits: digits});
  }

  function tick(value) {
    return Math.abs(value) >= 100000 ? `${number(value / 1000)}k` : value.toLocaleString("en", {maximumFractionDigits: 6});
  }

  // x is 1 / (1 − p), as in HdrHistogram's plots: each nine takes the same width.
  function percent(x, more = 0) {
    const digits = Math.max(0, Math.ceil(Math.log10(x) - 1e-9) - 2) + more;
    return `${(100 * (1 - 1 / x)).toFixed(digits).replace(/\.0+$/, "")} %`;
  }

  function xText(plot, x) {
    if (plot.x_scale === "percentile") return percent(x, 1);
    if (plot.x_label === TIME) return `${x.toFixed(1)} s`;
    return `${number(x)} ${plot.x_label}`;
  }

  // 1, 2, 5, 10, 20, …: the decades alone where there are many.
  function logSplits(low, high, decadesOnly = false) {
    const from = Math.floor(Math.log10(low)), to = Math.ceil(Math.log10(high));
    const steps = decadesOnly || to - from > 3 ? [1] : high / low > 10 ? [1, 2, 5] : [1, 1.5, 2, 3, 5, 7];
    const splits = [];
    for (let power = from; power <= to; power++)
      for (const step of steps) splits.push(Number(`${step}e${power}`));
    return splits.filter(split => split >= low * 0.999 && split <= high * 1.001);
  }

  // The next of 1, 2, 5, 10, … below or above.
  function snap(value, up) {
    const decade = 10 ** Math.floor(Math.log10(value));
    const steps = [1, 2, 5, 10].map(step => step * decade);
    return up ? steps.find(step => step >= value * 0.999) : steps.findLast(step => step <= value * 1.001);
  }

  function axis(options, plot, side) {
    const kind = side === "x" ? plot.x_scale : plot.y_scale;
    const result = {
      stroke: colour("faint"), font: FONT, labelFont: FONT, labelSize: 16, gap: 4,
      grid: {stroke: colour("grid"), width: 1}, ticks: {show: false},
      values: (u, splits) => splits.map(tick), ...options,
    };
    if (kind === "percentile") {
      result.splits = (u, at, low, high) => [2, ...logSplits(10, Math.max(high, 10), true)].filter(x => x <= high);
      result.values = (u, splits) => splits.map(x => percent(x));
    } else if (kind === "log") {
      result.splits = (u, at, low, high) => logSplits(low, high);
    }
    if (kind === "percentile" || kind === "log") result.filter = (u, splits) => splits;
    return result;
  }

  function axes(plot) {
    const x = axis({size: 26, space: 64}, plot, "x");
    if (plot.x_label === TIME) x.values = (u, splits) => splits.map(each => `${tick(each)} s`);
    else x.label = plot.x_label;
    const y = axis({size: (u, values) => 12 + 6.3 * Math.max(3, ...(values || []).map(each => each.length))}, plot, "y");
    if (plot.kind === "heat") {
      const children = Object.keys(plot.rows);
      y.splits = () => {
        const every = [1, 2, 5, 10, 20, 50, 100].find(each => each * 12 >= children.length);
        return children.map((_, at) => at + 0.5).filter((_, at) => at % every === 0);
      };
      y.values = (u, splits) => splits.map(at => children[Math.floor(at)]);
      y.grid = {show: false};
    }
    return [x, y];
  }

  function scales(plot) {
    const x = {time: false}, y = {};
    const marks = side => plot.marks.filter(mark => mark.axis === side).map(mark => mark.at);
    if (plot.x_scale !== "linear") Object.assign(x, {distr: 3, log: 10});
    if (plot.kind === "buckets") {
      x.range = [plot.xs[0] / ratio(plot.xs), plot.xs.at(-1)];
    } else if (plot.x_scale === "percentile") {
      x.range = [1, plot.xs.at(-1)];
    } else if (plot.x_scale === "log") {
      x.range = [plot.xs[0] / 1.3, plot.xs.at(-1) * 1.3];
    } else if (plot.x_label === TIME) {
      x.range = (u, low, high) => [plot.kind === "heat" ? 0 : Math.min(low, 0), high];
    } else {
      x.range = (u, low, high) => [0, high * 1.03];
    }
    if (plot.kind === "heat") {
      Object.assign(y, {range: [0, Object.keys(plot.rows).length], dir: -1});
    } else if (plot.y_scale === "log") {
      Object.assign(y, {distr: 3, log: 10});
      const all = [...plot.lines.flatMap(line => line.ys), ...marks("y")].filter(value => value > 0);
      y.range = [snap(0.85 * Math.min(...all), false), snap(Math.max(...all), true)];
    } else {
      y.range = (u, low, high) => [0, Math.max(1.06 * Math.max(high || 0, ...marks("y")), plot.y_max || 0) || 1];
    }
    return {x, y};
  }

  // Of neighbours: how wide the first bucket is, which has none before.
  const ratio = xs => xs.length > 1 ? xs[1] / xs[0] : 2;

  function buckets(u, series, from, to) {
    const path = new Path2D();
    const xs = u.data[0], ys = u.data[series];
    const zero = u.valToPos(0, "y", true);
    for (let at = from; at <= to; at++) {
      if (!ys[at]) continue;
      const left = u.valToPos(at ? xs[at - 1] : xs[0] / ratio(xs), "x", true), right = u.valToPos(xs[at], "x", true);
      const top = u.valToPos(ys[at], "y", true);
      const gap = right - left > 4 ? 1 : 0;
      path.rect(left, Math.min(top, zero - 1), Math.max(right - left - gap, 1), Math.max(zero - top, 1));
    }
    return {fill: path, stroke: null, flags: 1};
  }

  function seriesOf(line, plot) {
    const stroke = colour(`c${line.colour || 1}`);
    const filled = line.area || plot.kind === "buckets";
    return {
      label: line.label, stroke, width: plot.kind === "buckets" ? 0 : line.dash ? 1.5 : 1.75,
      dash: line.dash ? [6, 4] : undefined,
      fill: filled ? stroke + (plot.kind === "buckets" ? "cc" : "22") : undefined,
      points: {show: Boolean(line.dots), size: 6, fill: stroke},
      spanGaps: plot.x_scale === "percentile",
      paths: plot.kind === "buckets" ? buckets : undefined,
    };
  }

  function drawMarks(u, plot) {
    const ratio = uPlot.pxRatio, {left, top, width, height} = u.bbox, pen = u.ctx;
    pen.save();
    pen.font = FONT.replace("11px", `${11 * ratio}px`);
    pen.strokeStyle = pen.fillStyle = colour("text");
    pen.setLineDash([2 * ratio, 3 * ratio]);
    pen.lineWidth = ratio;
    for (const mark of plot.marks) {
      const at = u.valToPos(mark.at, mark.axis, true);
      const words = pen.measureText(mark.label).width + 5 * ratio;
      pen.beginPath();
      if (mark.axis === "x") {
        pen.moveTo(at, top);
        pen.lineTo(at, top + height);
        const onLeft = at + words > left + width;
        pen.textAlign = onLeft ? "right" : "left";
        pen.fillText(mark.label, at + (onLeft ? -5 : 5) * ratio, top + 12 * ratio);
      } else {
        pen.moveTo(left, at);
        pen.lineTo(left + width, at);
        pen.textAlign = "left";
        pen.fillText(mark.label, left + 5 * ratio, at - 5 * ratio);
      }
      pen.stroke();
    }
    pen.restore();
  }

  function drawHeat(u, plot) {
    const pen = u.ctx, xs = plot.xs, {left, top, width, height} = u.bbox;
    const shades = Array.from({length: 11}, (_, at) => mix(colour("heat0"), colour("heat1"), at / 10));
    const shade = value => shades[Math.max(0, Math.min(10, Math.round(10 * value / plot.y_max)))];
    const edges = [0, ...xs].map(x => Math.round(u.valToPos(x, "x", true)));
    pen.save();
    pen.beginPath();
    pen.rect(left, top, width, height);
    pen.clip();
    Object.values(plot.rows).forEach((row, child) => {
      const above = Math.round(u.valToPos(child, "y", true)), below = Math.round(u.valToPos(child + 1, "y", true));
      const gap = below - above > 5 * uPlot.pxRatio ? Math.round(uPlot.pxRatio) : 0;
      row.forEach((value, at) => {
        if (value === null) return;
        pen.fillStyle = shade(value);
        pen.fillRect(edges[at], above, edges[at + 1] - edges[at], below - above - gap);
      });
    });
    pen.restore();
  }

  function mix(from, to, part) {
    const parts = text => [1, 3, 5].map(at => parseInt(text.slice(at, at + 2), 16));
    const [a, b] = [parts(from), parts(to)];
    return `rgb(${a.map((value, at) => Math.round(value + part * (b[at] - value))).join(",")})`;
  }

  function element(name, className, text) {
    const made = document.createElement(name);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  }

  // The legend, with the values under the cursor: where it is not in the way of what it explains.
  function legend(plot) {
    const list = element("ul", "legend");
    const where = element("li", "where");
    if (plot.kind === "heat") {
      const scale = element("li");
      scale.append("0 %", element("i", "ramp"), `${tick(plot.y_max)} % busy`);
      list.append(scale, where);
      return {list, show: u => { where.textContent = heatText(u, plot); }};
    }
    const values = plot.lines.map(line => {
      const item = element("li"), key = element("i", `key ${line.dash ? "dashed" : "fill"} c${line.colour || 1}`);
      const value = element("b", "n");
      item.append(key, line.label, " ", value);
      list.append(item);
      return value;
    });
    list.append(where);
    const show = u => {
      // Of buckets not the nearest bound, but the one that ends the bucket under the cursor.
      const at = plot.kind === "buckets" ? u.cursor.idxs?.[1] : u.cursor.idx, on = at !== null && at !== undefined && u.cursor.left >= 0;
      values.forEach((value, line) => {
        const y = on ? nearest(plot.lines[line].ys, at, plot) : null;
        value.textContent = y === null ? "" : number(y);
      });
      where.textContent = on ? placeText(plot, at) : "";
    };
    return {list, show};
  }

  function placeText(plot, at) {
    const text = xText(plot, plot.xs[at]);
    if (plot.kind === "buckets") return at ? `${number(plot.xs[at - 1])} to ${text}` : `up to ${text}`;
    return plot.x_scale === "percentile" ? text : `at ${text}`;
  }

  // Of lines with few points: their last one, so that a value is shown wherever the line is.
  function nearest(ys, at, plot) {
    if (plot.x_scale !== "percentile") return ys[at] ?? null;
    for (let back = at; back < ys.length; back++) if (ys[back] !== null) return ys[back];
    return null;
  }

  function heatText(u, plot) {
    const {left, top} = u.cursor;
    if (left === undefined || left < 0 || top < 0) return "";
    const names = Object.keys(plot.rows);
    const child = Math.floor(u.posToVal(top, "y")), x = u.posToVal(left, "x");
    const at = plot.xs.findIndex(end => end >= x);
    const value = plot.rows[names[child]]?.[at];
    return value === undefined || value === null ? "" : `child ${names[child]}: ${number(value)} % at ${x.toFixed(1)} s`;
  }

  function draw(figure) {
    const {plot, place, width} = figure;
    const {list, show} = legend(plot);
    const heat = plot.kind === "heat";
    const lines = heat ? [{label: "", ys: plot.xs.map(() => null)}] : plot.lines;
    const options = {
      width, height: heat ? Math.max(HEIGHT, Math.min(460, 60 + 5 * Object.keys(plot.rows).length)) : HEIGHT,
      padding: [10, 20, 0, 0],
      legend: {show: false},
      cursor: {
        y: heat, drag: {x: false, y: false}, points: {size: 7, show: plot.kind === "lines"},
        sync: plot.together ? {key: plot.together, setSeries: false} : undefined,
        dataIdx: plot.kind === "buckets" ? (u, series, at, x) => Math.max(0, plot.xs.findIndex(end => end >= x)) : undefined,
      },
      scales: scales(plot), axes: axes(plot),
      series: [{}, ...lines.map(line => seriesOf(line, plot))],
      hooks: {
        setCursor: [show],
        drawAxes: heat ? [u => drawHeat(u, plot)] : [],
        draw: plot.marks.length ? [u => drawMarks(u, plot)] : [],
      },
    };
    place.replaceChildren();
    figure.chart = new uPlot(options, [plot.xs, ...lines.map(line => line.ys)], place);
    place.after(list);
    figure.list?.remove();
    figure.list = list;
  }

  function redraw(figure) {
    figure.chart?.destroy();
    figure.chart = null;
    if (figure.width > 0) draw(figure);
  }

  const figures = new Map();
  // What is folded up gets a width when it is opened. A moment later: what is drawn has a size too, and an observer that
  // changes sizes at once is told off by the browser.
  const watch = new ResizeObserver(entries => setTimeout(() => entries.forEach(entry => fit(entry.target))));

  function fit(place) {
    const figure = figures.get(place), width = Math.floor(place.clientWidth);
    if (width === 0 || width === figure.width || document.documentElement.classList.contains("paper")) return;
    figure.width = width;
    if (figure.chart) figure.chart.setSize({width, height: figure.chart.height});
    else draw(figure);
  }

  for (const place of document.querySelectorAll(".drawing")) {
    const data = JSON.parse(place.parentElement.querySelector("script").textContent);
    figures.set(place, {place, width: 0, plot: {kind: "lines", x_scale: "linear", y_scale: "linear", x_label: TIME, lines: [], marks: [], rows: {}, ...data}});
    fit(place);
    watch.observe(place);
  }

  const all = () => figures.forEach(redraw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", all);
  const paper = on => {
    document.documentElement.classList.toggle("paper", on);
    figures.forEach(figure => {
      if (figure.chart) figure.width = on ? PAPER_WIDTH : Math.floor(figure.place.clientWidth);
    });
    all();
  };
  addEventListener("beforeprint", () => paper(true));
  addEventListener("afterprint", () => paper(false));

  addEventListener("hashchange", openTarget);
  openTarget();
  function openTarget() {
    const target = document.getElementById(location.hash.slice(1));
    if (target?.matches("details")) target.open = true;
  }
})();
