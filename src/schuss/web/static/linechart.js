// Lines over time, with a cursor that reads them.

import { rowsAcross, wordsBelow } from "./axes.js";
import { place, Sketch, trace } from "./canvas.js";
import { h } from "./dom.js";
import { number, ticks } from "./format.js";
import { toCsv } from "./save.js";
import { linear, logarithmic, span } from "./scales.js";

const LEFT = 72;
const RIGHT = 14;
const TOP = 10;
const BOTTOM = 40;
const SHARE = 0.02; // of the values at each end are outliers, where these are cut off
const NEAR = 0.8; // of the planned end: from here on it is in the picture
const DRAGGED = 6; // pixels

export class LineChart {
  /**
   * options: name, xName, x(value) -> words for the cursor, y(value) -> words, ticks(values) -> short words,
   * empty() -> what is said where there is no point.
   * A series is {name, colour: palette key, points: [[x, y, lowest, highest]], dashed, dots}; a mark is {x, text}.
   * Drag, or Ctrl and the wheel, or + and - zoom; a double click, Escape or the button shows all again.
   */
  constructor(host, view, options) {
    this.options = { ticks, y: number, x: number, xName: "Epoch", floor: null, empty: () => "", ...options };
    this.series = [];
    this.marks = [];
    this.planned = null; // the x at which the run is to end
    this.log = false;
    this.clip = false;
    this.smooth = 0; // of the value before in each value, 0 .. 1
    this.zoom = null; // [lowest x, highest x]
    this.cursor = null; // an x in pixels
    this.held = null; // where a drag began and is, in pixels
    this.sketch = new Sketch(host, view, (...args) => this.paint(...args), {
      label: options.name,
      interactive: true,
      csv: () => this.csv(),
      keys: () => this.series.map(({ name, colour, dashed }) => ({ name, colour, dashed })),
    });
    this.tip = h("div", { class: "tip", hidden: true });
    this.reset = h("button", { type: "button", class: "reset", hidden: true, onclick: () => this.show(null) }, "Show all");
    host.append(this.tip, this.reset);
    this.listen(this.sketch.canvas);
  }

  listen(canvas) {
    const x = (event) => place(event, canvas)[0];
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button === 0 && this.x) this.held = [x(event), x(event)];
    });
    canvas.addEventListener("pointermove", (event) => {
      if (this.held) {
        this.held[1] = x(event);
        if (Math.abs(this.held[1] - this.held[0]) > DRAGGED) canvas.setPointerCapture(event.pointerId);
      }
      this.point(x(event));
    });
    canvas.addEventListener("pointerup", () => {
      const held = this.held?.toSorted((a, b) => a - b);
      this.held = null;
      if (held && held[1] - held[0] > DRAGGED) this.show(held.map((pixel) => this.x.back(pixel)));
      this.sketch.redraw();
    });
    canvas.addEventListener("pointercancel", () => (this.held = null));
    canvas.addEventListener("dblclick", () => this.show(null));
    canvas.addEventListener(
      "wheel",
      (event) => {
        if (!event.ctrlKey || !this.x) return; // the wheel alone scrolls the page
        event.preventDefault();
        this.closer(Math.exp(event.deltaY * 0.004), this.x.back(x(event)));
      },
      { passive: false },
    );
    canvas.addEventListener("pointerleave", () => this.point(null));
    canvas.addEventListener("blur", () => this.point(null));
    canvas.addEventListener("keydown", (event) => this.key(event));
  }

  set(series, marks = [], planned = null) {
    Object.assign(this, { series, marks, planned });
    this.sketch.redraw();
  }

  /** The points as they are, one a line. */
  csv() {
    const rows = this.series.flatMap(({ name, points }) => points.map(([x, y, low, high]) => [name, x, y, low, high]));
    return toCsv(["line", this.options.xName.toLowerCase(), this.options.name.toLowerCase(), "lowest", "highest"], rows);
  }

  /** Other ways to show the same: log, clip, smooth. */
  choose(options) {
    Object.assign(this, options);
    this.sketch.redraw();
  }

  setLog(log) {
    this.choose({ log });
  }

  /** Show from one x to another; null: all of it. */
  show(zoom) {
    this.zoom = zoom;
    this.reset.hidden = !zoom;
    this.options.zoomed?.(zoom);
    this.sketch.redraw();
  }

  /** Zoom around an x. */
  closer(factor, around) {
    const all = this.extent();
    const [low, high] = this.zoom ?? all;
    const next = [around + (low - around) * factor, around + (high - around) * factor];
    const inside = [Math.max(all[0], next[0]), Math.min(all[1], next[1])];
    this.show(inside[0] <= all[0] && inside[1] >= all[1] ? null : inside);
  }

  point(x) {
    this.cursor = x;
    this.sketch.redraw();
  }

  key(event) {
    const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const middle = this.cursor === null ? (LEFT + this.sketch.width - RIGHT) / 2 : this.cursor;
    if (!this.x) return;
    if (event.key === "+" || event.key === "-") this.closer(event.key === "+" ? 0.7 : 1 / 0.7, this.x.back(middle));
    else if (event.key === "Escape" && this.zoom) this.show(null);
    else if (!move) return;
    event.preventDefault();
    if (!move) return;
    const points = this.series.find((s) => s.points.length)?.points ?? [];
    if (!points.length) return;
    const now = this.cursor === null ? points.length - (move < 0 ? 0 : 1) : nearest(points, this.x.back(this.cursor));
    this.point(this.x.at(points[Math.max(0, Math.min(points.length - 1, now + move))][0]));
  }

  /** [lowest, highest x]: what has been trained, and the planned end when it is near. */
  extent() {
    const xs = span(this.series.flatMap((s) => [s.points[0]?.[0], s.points.at(-1)?.[0]])) ?? [0, this.planned ?? 1];
    const low = this.options.xLow ?? Math.min(0, xs[0]);
    return [low, this.planned && xs[1] >= NEAR * this.planned ? Math.max(this.planned, xs[1]) : xs[1] || 1];
  }

  scales(width, height) {
    const [x0, x1] = this.zoom ?? this.extent();
    const good = (y) => y !== null && Number.isFinite(y) && (!this.log || y > 0);
    const all = this.series
      .flatMap((s) => s.points.filter(([x]) => x >= x0 && x <= x1).flatMap(([, ...ys]) => (this.clip ? [ys[0]] : ys)))
      .filter(good);
    const ys = (this.clip ? inner(all) : span(all)) ?? (this.log ? [0.01, 1] : [0, 1]);
    const pad = (ys[1] - ys[0]) * 0.06 || Math.abs(ys[0]) * 0.1 || 0.5;
    this.x = linear(x0, x1, LEFT, width - RIGHT, width < 420 ? 4 : 8);
    if (this.log) {
      this.y = logarithmic(ys[0] / 1.15, ys[1] * 1.15, height - BOTTOM, TOP);
    } else {
      const low = this.options.floor === null ? ys[0] - pad : Math.min(this.options.floor, ys[0]);
      const high =
        this.options.ceiling && ys[1] <= this.options.ceiling
          ? Math.min(this.options.ceiling, ys[1] + pad)
          : ys[1] + pad;
      this.y = linear(low, high, height - BOTTOM, TOP, Math.max(2, Math.round(height / 60)));
    }
  }

  paint(context, width, height, palette) {
    if (!this.series.some((s) => s.points.length)) {
      context.font = `14px ${palette.font}`;
      context.fillStyle = palette.muted;
      context.textAlign = "center";
      context.fillText(this.options.empty(), width / 2, height / 2);
      return;
    }
    this.scales(width, height);
    this.frame(context, width, height, palette);
    for (const mark of this.marks) this.mark(context, mark, height, palette);
    context.save();
    context.beginPath();
    context.rect(LEFT - 4, 0, width - LEFT - RIGHT + 8, height - BOTTOM + 3);
    context.clip();
    for (const series of this.series) this.band(context, series, palette);
    for (const series of this.series) this.line(context, series, palette);
    this.selection(context, height, palette);
    context.restore();
    this.outside(context, width, palette);
    this.end(context, width, height, palette);
    this.alone(context, width, palette);
    this.read(context, width, height, palette);
  }

  frame(context, width, height, palette) {
    context.font = `12px ${palette.font}`;
    rowsAcross(context, palette, this.y, this.options.ticks(this.y.ticks), [LEFT, width - RIGHT], 10);
    const below = ticks(this.x.ticks);
    wordsBelow(context, palette, this.x.ticks.map((tick, i) => ({ at: this.x.at(tick), text: below[i] })), height - BOTTOM + 8, [0, width]);
    context.textBaseline = "alphabetic";
    context.textAlign = "center";
    context.fillStyle = palette.muted;
    context.fillText(this.options.xName, (LEFT + width - RIGHT) / 2, height - 5);
    context.save();
    context.translate(12, (TOP + height - BOTTOM) / 2);
    context.rotate(-Math.PI / 2);
    context.fillText(this.options.name, 0, 0);
    context.restore();
  }

  mark(context, { x }, height, palette) {
    if (x < this.x.low || x > this.x.high) return;
    context.strokeStyle = palette["line-strong"];
    context.setLineDash([2, 3]);
    trace(context, [
      [this.x.at(x), TOP],
      [this.x.at(x), height - BOTTOM],
    ]);
    context.stroke();
    context.setLineDash([]);
  }

  /** Where the run is to end: a line, or an arrow towards it. */
  end(context, width, height, palette) {
    if (!this.planned || this.zoom) return;
    const inside = this.planned <= this.x.high + 1e-9;
    if (inside) this.mark(context, { x: this.planned }, height, palette);
    const last = this.series[0]?.points.at(-1)?.[0] ?? 0;
    if (last >= this.planned - 1e-9) return;
    context.font = `12px ${palette.font}`;
    context.fillStyle = palette.faint;
    context.textAlign = "right";
    context.textBaseline = "alphabetic";
    context.fillText(`planned to ${number(this.planned)}${inside ? "" : " →"}`, width - RIGHT, height - 5);
  }

  /** What a drag is about to show. */
  selection(context, height, palette) {
    if (!this.held || Math.abs(this.held[1] - this.held[0]) <= DRAGGED) return;
    context.fillStyle = palette.accent;
    context.globalAlpha = 0.12;
    context.fillRect(this.held[0], TOP, this.held[1] - this.held[0], height - BOTTOM - TOP);
    context.globalAlpha = 1;
  }

  /** Peaks that are cut off: a mark at the edge, the highest with its number. */
  outside(context, width, palette) {
    if (!this.clip) return;
    for (const { points, colour } of this.series) {
      const cut = points.filter(([x, y, , high]) => x >= this.x.low && x <= this.x.high && (high ?? y) > this.y.high);
      if (!cut.length) continue;
      const highest = cut.reduce((a, b) => ((b[3] ?? b[1]) > (a[3] ?? a[1]) ? b : a));
      context.fillStyle = palette[colour];
      for (const [x] of cut.length > 60 ? [highest] : cut) {
        trace(context, [
          [this.x.at(x) - 4, TOP + 6],
          [this.x.at(x), TOP],
          [this.x.at(x) + 4, TOP + 6],
        ]);
        context.fill();
      }
      context.font = `600 12px ${palette.font}`;
      const words = `up to ${this.options.y(highest[3] ?? highest[1])}`;
      const left = this.x.at(highest[0]) + 10 + context.measureText(words).width > width - RIGHT;
      context.textAlign = left ? "right" : "left";
      context.textBaseline = "top";
      context.fillText(words, this.x.at(highest[0]) + (left ? -8 : 8), TOP);
    }
  }

  /** Between the lowest and the highest of each stretch. */
  band(context, { points, colour }, palette) {
    const good = points.filter((p) => p.length > 2 && p.slice(2).every((y) => Number.isFinite(y) && (!this.log || y > 0)));
    if (good.length < 2 || this.smooth || !good.some(([, , low, high]) => high > low)) return;
    const y = (v) => Math.max(-1e4, Math.min(1e4, this.y.at(v)));
    trace(context, [...good.map((p) => [this.x.at(p[0]), y(p[3])]), ...good.toReversed().map((p) => [this.x.at(p[0]), y(p[2])])]);
    context.closePath();
    context.fillStyle = palette[colour];
    context.globalAlpha = 0.2;
    context.fill();
    context.strokeStyle = palette[colour]; // or a narrow peak would not be seen
    context.lineWidth = 1;
    context.globalAlpha = 0.45;
    context.stroke();
    context.globalAlpha = 1;
  }

  line(context, series, palette) {
    if (this.smooth && series.points.length > 2) {
      context.globalAlpha = 0.28;
      this.stroke(context, series, series.points, palette);
      context.globalAlpha = 1;
    }
    this.stroke(context, series, this.smooth ? smoothed(series.points, this.smooth) : series.points, palette);
  }

  stroke(context, series, given, palette) {
    const points = given.map(([x, y]) =>
      y === null || !Number.isFinite(y) || (this.log && y <= 0)
        ? null
        : [this.x.at(x), Math.max(-1e4, Math.min(1e4, this.y.at(y)))],
    );
    context.strokeStyle = context.fillStyle = palette[series.colour];
    context.lineWidth = 2;
    context.lineJoin = context.lineCap = "round";
    context.setLineDash(series.dashed ? [5, 4] : []);
    trace(context, points);
    context.stroke();
    context.setLineDash([]);
    if (!series.dots && points.length > 1) return;
    for (const point of points) {
      if (!point) continue;
      context.beginPath();
      context.arc(point[0], point[1], 3, 0, 7);
      context.fill();
    }
  }

  /** A series of one point is no line: its level across the chart, and its number, the series' side by side. */
  alone(context, width, palette) {
    let left = LEFT + 10;
    for (const { name, colour, points } of this.series) {
      const [x, y] = points[0] ?? [];
      if (points.length !== 1 || !Number.isFinite(y) || (this.log && y <= 0)) continue;
      const at = this.y.at(y);
      const words = `${name} ${this.options.y(y)}`;
      context.strokeStyle = context.fillStyle = palette[colour];
      context.setLineDash([2, 4]);
      trace(context, [
        [LEFT, at],
        [this.x.at(x), at],
      ]);
      context.stroke();
      context.setLineDash([]);
      context.beginPath();
      context.arc(Math.min(this.x.at(x), width - 6), at, 5, 0, 7);
      context.fill();
      context.font = `600 13px ${palette.font}`;
      context.textAlign = "left";
      context.textBaseline = "alphabetic";
      context.fillText(words, left, at < TOP + 20 ? at + 18 : at - 8);
      left += context.measureText(words).width + 24;
    }
  }

  /** The cursor's line and what it reads. */
  read(context, width, height, palette) {
    const lines = [];
    let at = null;
    if (this.cursor !== null) {
      for (const series of this.series) {
        if (!series.points.length) continue;
        const i = nearest(series.points, this.x.back(this.cursor));
        const [x, y, low, high] = series.points[i];
        at ??= x;
        const range = high > low ? ` (${this.options.y(low)} to ${this.options.y(high)})` : "";
        lines.push(`${series.name} ${this.options.y(y)}${range}`);
      }
    }
    this.tip.hidden = at === null;
    if (at === null) return;
    const px = this.x.at(at);
    context.strokeStyle = palette["line-strong"];
    context.lineWidth = 1;
    trace(context, [
      [px, TOP],
      [px, height - BOTTOM],
    ]);
    context.stroke();
    const mark = this.marks.filter((m) => Math.abs(this.x.at(m.x) - px) < 5).map((m) => m.text);
    this.tip.replaceChildren(...[this.options.x(at), ...lines, ...mark].map((text) => h("div", {}, text)));
    const wide = this.tip.offsetWidth;
    this.tip.style.transform = `translate(${Math.max(0, px + 14 + wide > width ? px - wide - 14 : px + 14)}px, ${TOP + 4}px)`;
    this.sketch.describe(`${this.options.name}. ${this.options.x(at)}: ${lines.join(", ")}`);
  }
}

/** Exponential moving average, from the first value on without bias. Source: Kingma and Ba, Adam (2014), section 3. */
function smoothed(points, weight) {
  let [sum, known] = [0, 0];
  return points.map(([x, y]) => {
    if (!Number.isFinite(y)) return [x, y];
    sum = weight * sum + (1 - weight) * y;
    known = weight * known + (1 - weight);
    return [x, sum / known];
  });
}

/** [lowest, highest] without the outliers at both ends. */
function inner(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const cut = Math.floor(sorted.length * SHARE);
  return span(sorted.slice(cut, sorted.length - cut));
}

/** The index of the point whose x is nearest; x ascends. */
function nearest(points, x) {
  let low = 0;
  let high = points.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (points[middle][0] < x) low = middle + 1;
    else high = middle;
  }
  return low > 0 && x - points[low - 1][0] < points[low][0] - x ? low - 1 : low;
}
