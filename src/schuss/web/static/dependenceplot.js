// How a prediction depends on a column: a line for numbers and dates, bars for levels, and a map for two columns.

import { APART, fitted, rowsAcross, widest, wordsBelow } from "./axes.js";
import { place, Sketch, trace } from "./canvas.js";
import { between, rgb } from "./colours.js";
import { dateEnd, dateTicks, dateWords } from "./dates.js";
import { h } from "./dom.js";
import { exponent, number, ticks as ticksOf } from "./format.js";
import { toCsv } from "./save.js";
import { linear, span } from "./scales.js";

const ROOM = { right: 18, top: 14, bottom: 44 };
const SMALL = { right: 6, top: 8, bottom: 22 };
const EDGE = 4; // pixels that words keep from a picture's edge
const NAMES = 0.42; // of the width that names of levels may take
const WORDS = 0.32; // of a small picture's width that numbers in full may take
const SHORT = 1e4; // from where they are in powers of ten then
const FEW = 14; // points of a line that are marked each

/** A linear scale with at least two ticks: one alone tells no distance. */
function marked(low, high, from, to, wanted) {
  const scale = linear(low, high, from, to, wanted);
  return scale.ticks.length < 2 ? linear(low, high, from, to, 2 * wanted) : scale;
}

/** A value of an axis in words. */
export const axisWords = (axis, value) =>
  !axis.line ? String(value) : axis.kind === "number" ? number(value) : dateWords(value, axis.kind);

/** The same in few signs, for the end of a small picture's axis; short: in fewer. */
function endWords({ kind, values }, value, short) {
  if (kind !== "number") return dateEnd(value, kind, values.at(-1) - values[0], short);
  const size = Math.abs(value);
  return (size !== 0 && size < 1e-3) || (short && size >= SHORT) ? exponent(value, 1) : number(value, 3);
}

export class DependencePlot {
  /** words(value) says a prediction, ticks(values) those at an axis; small: the mean alone, without names. */
  constructor(host, view, { small = false, words = number, ticks = ticksOf } = {}) {
    this.found = null; // as GET dependence answers
    this.small = small;
    this.words = words;
    this.ticks = ticks;
    this.each = true; // whether rows are drawn by themselves
    this.range = null; // [low, high] of the predictions' axis; null: that of what is drawn
    this.sketch = new Sketch(host, view, (...args) => this.paint(...args), {
      label: "How the prediction depends on a column",
      csv: () => this.csv(),
      keys: () => this.keys(),
    });
    this.tip = h("div", { class: "tip", hidden: true });
    host.append(this.tip);
    if (small) return;
    host.addEventListener("pointermove", (event) => this.read(place(event, host)));
    host.addEventListener("pointerleave", () => this.read(null));
  }

  set(found, options = {}) {
    Object.assign(this, options, { found });
    this.sketch.describe(found ? this.describe() : "How the prediction depends on a column");
    this.sketch.redraw();
  }

  get pair() {
    return this.found?.columns.length === 2;
  }

  describe() {
    const { columns, mean } = this.found;
    const names = columns.map((c) => c.name).join(" and ");
    const [low, high] = span(mean.flat()) ?? [0, 0];
    return `How the prediction depends on ${names}: its mean goes from ${this.words(low)} to ${this.words(high)}`;
  }

  keys() {
    if (!this.found || this.pair) return [];
    const { line } = this.found.columns[0];
    const others = this.found.others.map(({ name }) => ({ name: `Quantile ${name}`, colour: "muted", sign: line ? "dashed" : "stroke" }));
    const rows = { name: "Each row", colour: "cool", sign: line ? "line" : "dots" };
    return [{ name: "Mean", colour: "accent", sign: line ? "line" : "bar" }, ...others, ...(this.each ? [rows] : [])];
  }

  csv() {
    if (!this.found) return "";
    const { columns, mean, curves, others } = this.found;
    const shown = columns.map((axis) => axis.values.map((v) => (axis.line && axis.kind !== "number" ? dateWords(v, axis.kind) : v)));
    if (this.pair)
      return toCsv([columns[0].name, columns[1].name, "mean"], mean.flatMap((row, i) => row.map((m, k) => [shown[0][i], shown[1][k], m])));
    const names = [columns[0].name, "mean", ...others.map((o) => o.name), ...curves.map((_, i) => `row ${i}`)];
    return toCsv(names, shown[0].map((v, i) => [v, mean[i], ...others.map((o) => o.mean[i]), ...curves.map((c) => c[i])]));
  }

  // -- drawing -----------------------------------------------------------------------------------------

  paint(context, width, height, palette) {
    const { found } = this;
    if (!found) return;
    context.font = `${this.small ? 11 : 12}px ${palette.font}`;
    context.lineJoin = context.lineCap = "round";
    if (this.pair) this.map(context, width, height, palette);
    else if (found.columns[0].line) this.line(context, width, height, palette);
    else this.bars(context, width, height, palette);
  }

  /** The predictions' range, with a margin. */
  extent() {
    const { mean, curves, others } = this.found;
    const drawn = [mean, ...others.map((o) => o.mean), ...(this.each && !this.small ? curves : [])];
    const [low, high] = this.range ?? span(drawn.flat()) ?? [0, 1];
    const pad = (high - low) * 0.05 || Math.abs(high) * 0.05 || 0.5;
    return [low - pad, high + pad];
  }

  line(context, width, height, palette) {
    const { columns, mean, curves, others } = this.found;
    const [axis] = columns;
    const room = this.small ? SMALL : ROOM;
    const [top, bottom] = [room.top, height - room.bottom];
    this.y = marked(...this.extent(), bottom, top, this.small ? 2 : 5);
    const full = this.ticks(this.y.ticks);
    const words = this.small && widest(context, full) > WORDS * width ? this.ticks(this.y.ticks, SHORT) : full;
    const [left, right] = [widest(context, words) + EDGE + 8, width - room.right];
    this.x = linear(axis.values[0], axis.values.at(-1), left, right, Math.max(2, (right - left) / 90));
    rowsAcross(context, palette, this.y, words, [left, right]);
    this.along(context, palette, [left, right, bottom, width], axis);
    const along = (values) => values.map((v, i) => [this.x.at(axis.values[i]), this.y.at(v)]);
    if (this.each && !this.small) this.strokes(context, curves.map(along), palette.cool, 1, 0.22);
    for (const other of this.small ? [] : others) this.strokes(context, [along(other.mean)], palette.muted, 1.5, 1, [5, 4]);
    this.strokes(context, [along(mean)], palette.accent, this.small ? 2 : 3, 1);
    context.fillStyle = palette.accent;
    if (mean.length <= FEW) for (const at of along(mean)) disc(context, ...at, this.small ? 2.5 : 4);
    if (!this.small) this.rug(context, palette, axis, bottom);
  }

  /** What stands below a line: the column's values and name; in a small picture its ends. */
  along(context, palette, [left, right, bottom, width], axis) {
    const edges = [EDGE, width - EDGE];
    if (this.small) {
      const ends = [this.x.low, this.x.high].slice(0, axis.values.length);
      const texts = (short) => ends.map((v) => endWords(axis, v, short));
      const room = edges[1] - left + 4;
      const fit = texts(false).reduce((wide, text) => wide + widest(context, [text]), APART) <= room;
      const words = texts(!fit).map((text, i) => ({ at: this.x.at(ends[i]), text }));
      wordsBelow(context, palette, words, bottom + 5, [left - 4, edges[1]]);
      return;
    }
    const whole = axis.values.every(Number.isInteger);
    const at = axis.kind === "number" ? this.x.ticks.filter((v) => !whole || Number.isInteger(v)) : [];
    const numbers = ticksOf(at);
    const ticks =
      axis.kind === "number"
        ? at.map((value, i) => ({ value, text: numbers[i] }))
        : dateTicks(this.x.low, this.x.high, Math.max(2, (right - left) / 90));
    wordsBelow(context, palette, ticks.map(({ value, text }) => ({ at: this.x.at(value), text })), bottom + 12, edges);
    context.fillStyle = palette.muted;
    context.fillText(fitted(context, axis.name, right - left), (left + right) / 2, bottom + 28);
  }

  strokes(context, lines, colour, width, alpha, dash = []) {
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.globalAlpha = alpha;
    context.setLineDash(dash);
    for (const points of lines) {
      trace(context, points);
      context.stroke();
    }
    context.setLineDash([]);
    context.globalAlpha = 1;
  }

  /** Where rows lie: a stroke for each hundredth of them. */
  rug(context, palette, axis, bottom) {
    const lines = axis.quantiles.map((v) => [[this.x.at(v), bottom + 2], [this.x.at(v), bottom + 8]]);
    const inside = lines.filter(([[x]]) => x >= this.x.at(this.x.low) - 1 && x <= this.x.at(this.x.high) + 1);
    this.strokes(context, inside, palette.muted, 1, 0.5);
  }

  /** Levels, one below the other: from 0, or where that is far away from the mean of all. */
  bars(context, width, height, palette) {
    const { columns, mean, curves, others } = this.found;
    const names = columns[0].values.map((v) => fitted(context, String(v), NAMES * width - 22));
    const words = mean.map(this.words);
    const [left, right] = [widest(context, names) + 22, width - (this.small ? 14 : widest(context, words) + 10 + EDGE)];
    const [top, bottom] = [this.small ? 6 : 14, height - (this.small ? 20 : 38)];
    const [low, high] = this.extent();
    const zero = low <= 0 || low < 0.5 * high;
    const middle = mean.reduce((a, b) => a + b, 0) / mean.length;
    this.y = marked(zero ? Math.min(0, low) : low, zero ? Math.max(0, high) : high, left, right, Math.max(2, (right - left) / 110));
    const base = this.y.at(zero ? 0 : middle);
    this.step = Math.min((bottom - top) / names.length, this.small ? 30 : 56);
    this.top = top;
    const end = top + this.step * names.length;
    const every = Math.ceil(13 / this.step); // names that do not touch
    this.strokes(context, this.y.ticks.map((tick) => [[this.y.at(tick), top], [this.y.at(tick), end]]), palette.grid, 1, 1);
    const texts = this.ticks(this.y.ticks);
    const below = this.y.ticks.map((tick, i) => ({ at: this.y.at(tick), text: texts[i] }));
    wordsBelow(context, palette, below.reverse(), end + 6, [EDGE, width - EDGE]); // the far end tells more than 0
    names.forEach((name, i) => {
      const [y, tall] = [top + this.step * (i + 0.5), Math.min(this.step * 0.62, 26)];
      const [from, to] = [base, this.y.at(mean[i])].sort((a, b) => a - b);
      context.fillStyle = palette.accent;
      context.globalAlpha = 0.85;
      context.beginPath();
      context.roundRect(from, y - tall / 2, Math.max(1.5, to - from), tall, Math.min(4, tall / 3));
      context.fill();
      context.globalAlpha = 1;
      if (this.each && !this.small) this.dots(context, palette, curves.map((c) => c[i]), y, tall);
      const across = (v) => [[this.y.at(v), y - tall / 2 - 3], [this.y.at(v), y + tall / 2 + 3]];
      if (!this.small) this.strokes(context, others.map((o) => across(o.mean[i])), palette.muted, 2, 1);
      context.fillStyle = palette.muted;
      context.textAlign = "right";
      context.textBaseline = "middle";
      if (i % every === 0) context.fillText(name, left - 10, y);
      if (this.small) return;
      context.fillStyle = palette.text;
      context.textAlign = "left";
      context.fillText(words[i], right + 10, y);
    });
    this.strokes(context, [[[base, top], [base, end]]], palette["line-strong"], 1, 1);
  }

  /** Rows by themselves, spread over a bar's height so that they are told apart. */
  dots(context, palette, values, y, tall) {
    context.fillStyle = palette.cool;
    context.globalAlpha = 0.45;
    values.forEach((v, k) => disc(context, this.y.at(v), y + (((k * 0.618034) % 1) - 0.5) * (tall - 4), 2));
    context.globalAlpha = 1;
  }

  // -- two columns -------------------------------------------------------------------------------------

  map(context, width, height, palette) {
    const { columns, mean } = this.found;
    const [across, down] = columns;
    const names = down.values.map((v) => fitted(context, axisWords(down, v), 0.4 * width - 36));
    const left = widest(context, names) + 36;
    const [top, bottom] = [14, height - 48];
    const [low, high] = span(mean.flat()) ?? [0, 1];
    const colours = linear(low, high, bottom, top, 4);
    const words = this.ticks(colours.ticks);
    const right = width - widest(context, words) - 33 - EDGE;
    const [wide, tall] = [(right - left) / across.values.length, (bottom - top) / down.values.length];
    this.cells = { left, top, wide, tall };
    const share = (v) => (high > low ? (v - low) / (high - low) : 0.5);
    const roomy = tall > 20 && wide > 10 + widest(context, mean.flat().map(this.words));
    context.textAlign = "center";
    context.textBaseline = "middle";
    mean.forEach((row, i) =>
      row.forEach((v, k) => {
        const [x, y] = [left + i * wide, bottom - (k + 1) * tall];
        context.fillStyle = rgb(between(share(v), palette.dark));
        context.fillRect(x, y, wide + 0.5, tall + 0.5);
        if (!roomy) return;
        context.fillStyle = Math.abs(share(v) - 0.5) > 0.3 && !palette.dark ? "#ffffff" : palette.text;
        context.fillText(this.words(v), x + wide / 2, y + tall / 2);
      }),
    );
    this.names(context, palette, { left, right, top, bottom, wide, tall, names, width });
    this.colours(context, palette, { x: right + 18, top, bottom, scale: colours, words });
  }

  names(context, palette, { left, right, top, bottom, wide, tall, names, width }) {
    const [across, down] = this.found.columns;
    context.fillStyle = palette.faint;
    context.textAlign = "right";
    const every = Math.ceil(14 / tall);
    names.forEach((name, k) => k % every === 0 && context.fillText(name, left - 8, bottom - (k + 0.5) * tall));
    const room = across.line ? Infinity : Math.max(wide - 6, 44);
    const words = across.values.map((v, i) => ({ at: left + (i + 0.5) * wide, text: fitted(context, axisWords(across, v), room) }));
    wordsBelow(context, palette, words, bottom + 8, [EDGE, width - EDGE]);
    context.fillStyle = palette.muted;
    context.fillText(fitted(context, across.name, right - left), (left + right) / 2, bottom + 28);
    context.save();
    context.translate(12, (top + bottom) / 2);
    context.rotate(-Math.PI / 2);
    context.textBaseline = "middle";
    context.fillText(fitted(context, down.name, bottom - top), 0, 0);
    context.restore();
  }

  colours(context, palette, { x, top, bottom, scale, words }) {
    const steps = 40;
    const tall = (bottom - top) / steps;
    for (let i = 0; i < steps; i++) {
      context.fillStyle = rgb(between((i + 0.5) / steps, palette.dark));
      context.fillRect(x, bottom - (i + 1) * tall, 10, tall + 0.5);
    }
    context.fillStyle = palette.faint;
    context.textAlign = "left";
    context.textBaseline = "middle";
    scale.ticks.forEach((tick, i) => context.fillText(words[i], x + 15, scale.at(tick)));
  }

  // -- reading -----------------------------------------------------------------------------------------

  read(pixels) {
    const words = pixels && this.found ? this.wordsAt(pixels) : null;
    this.tip.hidden = !words;
    if (!words) return;
    this.tip.replaceChildren(...words.map((text) => h("div", {}, text)));
    const { width } = this.sketch;
    const left = pixels[0] + 16 + this.tip.offsetWidth > width ? pixels[0] - this.tip.offsetWidth - 12 : pixels[0] + 16;
    this.tip.style.transform = `translate(${Math.max(4, left)}px, ${Math.max(4, pixels[1] - 20)}px)`;
  }

  wordsAt([px, py]) {
    const { columns, mean, others } = this.found;
    const [axis, other] = columns;
    if (this.pair) {
      const { left, top, wide, tall } = this.cells;
      const [i, k] = [Math.floor((px - left) / wide), other.values.length - 1 - Math.floor((py - top) / tall)];
      const value = mean[i]?.[k];
      if (value === undefined) return null;
      return [`${axis.name}: ${axisWords(axis, axis.values[i])}`, `${other.name}: ${axisWords(other, other.values[k])}`, this.words(value)];
    }
    const i = axis.line ? nearest(axis.values, this.x.back(px)) : Math.floor((py - this.top) / this.step);
    if (mean[i] === undefined) return null;
    const more = others.map(({ name, mean: m }) => `Quantile ${name}: ${this.words(m[i])}`);
    return [`${axis.name}: ${axisWords(axis, axis.values[i])}`, `Mean: ${this.words(mean[i])}`, ...more];
  }
}

const nearest = (values, x) => values.reduce((best, v, i) => (Math.abs(v - x) < Math.abs(values[best] - x) ? i : best), 0);

function disc(context, x, y, radius) {
  context.beginPath();
  context.arc(x, y, radius, 0, 7);
  context.fill();
}
