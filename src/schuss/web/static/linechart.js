// Lines over time, with a cursor that reads them.

import { place, Sketch, trace } from "./canvas.js";
import { h } from "./dom.js";
import { number } from "./format.js";
import { linear, logarithmic, span } from "./scales.js";

const LEFT = 52;
const RIGHT = 10;
const TOP = 8;
const BOTTOM = 24;

export class LineChart {
  /**
   * options: name, x(value) -> words for the cursor, y(value) -> words, tick(value) -> short words,
   * empty() -> what is said where there is no point.
   * A series is {name, colour: palette key, points: [[x, y]], dashed, dots}; a mark is {x, text}.
   */
  constructor(host, view, options) {
    this.options = { tick: number, y: number, x: number, floor: null, empty: () => "", ...options };
    this.series = [];
    this.marks = [];
    this.log = false;
    this.cursor = null; // an x in pixels
    this.sketch = new Sketch(host, view, (...args) => this.paint(...args), { label: options.name, interactive: true });
    this.tip = h("div", { class: "tip", hidden: true });
    host.append(this.tip);
    const { canvas } = this.sketch;
    canvas.addEventListener("pointermove", (event) => this.point(place(event, canvas)[0]));
    canvas.addEventListener("pointerleave", () => this.point(null));
    canvas.addEventListener("blur", () => this.point(null));
    canvas.addEventListener("keydown", (event) => this.key(event));
  }

  set(series, marks = [], xHigh = null) {
    Object.assign(this, { series, marks, xHigh });
    this.sketch.redraw();
  }

  setLog(log) {
    this.log = log;
    this.sketch.redraw();
  }

  point(x) {
    this.cursor = x;
    this.sketch.redraw();
  }

  key(event) {
    const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!move || !this.x) return;
    event.preventDefault();
    const points = this.series.find((s) => s.points.length)?.points ?? [];
    if (!points.length) return;
    const now = this.cursor === null ? points.length - (move < 0 ? 0 : 1) : nearest(points, this.x.back(this.cursor));
    this.point(this.x.at(points[Math.max(0, Math.min(points.length - 1, now + move))][0]));
  }

  scales(width, height) {
    const all = this.series
      .flatMap((s) => s.points)
      .filter(([, y]) => y !== null && Number.isFinite(y) && (!this.log || y > 0));
    const ys = span(all.map((p) => p[1])) ?? (this.log ? [0.01, 1] : [0, 1]);
    const xs = span(all.map((p) => p[0])) ?? [0, 1];
    const pad = (ys[1] - ys[0]) * 0.06 || Math.abs(ys[0]) * 0.1 || 0.5;
    this.x = linear(
      this.options.xLow ?? Math.min(0, xs[0]),
      Math.max(this.xHigh ?? 0, xs[1]) || 1,
      LEFT,
      width - RIGHT,
      width < 420 ? 4 : 8,
    );
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
    context.rect(LEFT - 4, 0, width - LEFT, height - BOTTOM + 3);
    context.clip();
    for (const series of this.series) this.line(context, series, palette);
    context.restore();
    this.alone(context, width, palette);
    this.read(context, width, height, palette);
  }

  frame(context, width, height, palette) {
    context.font = `12px ${palette.font}`;
    context.fillStyle = palette.faint;
    context.strokeStyle = palette.grid;
    context.lineWidth = 1;
    context.textBaseline = "middle";
    context.textAlign = "right";
    for (const tick of this.y.ticks) {
      const y = Math.round(this.y.at(tick)) + 0.5;
      trace(context, [
        [LEFT, y],
        [width - RIGHT, y],
      ]);
      context.stroke();
      context.fillText(this.options.tick(tick), LEFT - 10, y);
    }
    context.textBaseline = "alphabetic";
    for (const tick of this.x.ticks) {
      context.textAlign = "center";
      const x = this.x.at(tick);
      const words = number(tick);
      context.fillText(words, Math.min(x, width - context.measureText(words).width / 2), height - 5);
    }
  }

  mark(context, { x }, height, palette) {
    context.strokeStyle = palette["line-strong"];
    context.setLineDash([2, 3]);
    trace(context, [
      [this.x.at(x), TOP],
      [this.x.at(x), height - BOTTOM],
    ]);
    context.stroke();
    context.setLineDash([]);
  }

  line(context, series, palette) {
    const points = series.points.map(([x, y]) =>
      y === null || !Number.isFinite(y) || (this.log && y <= 0) ? null : [this.x.at(x), this.y.at(y)],
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
        const [x, y] = series.points[nearest(series.points, this.x.back(this.cursor))];
        at ??= x;
        lines.push(`${series.name} ${this.options.y(y)}`);
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
