// The function a network has learned: a curve over one input, or regions over two, with the data.

import { rowsAcross, widest, wordsBelow } from "./axes.js";
import { place, Sketch, trace } from "./canvas.js";
import { between, classColour, classRgb, rgb } from "./colours.js";
import { h } from "./dom.js";
import { contour, raster, refined, sample } from "./field.js";
import { number, percent, ticks } from "./format.js";
import { toCsv } from "./save.js";
import { linear, span } from "./scales.js";
import { palette } from "./theme.js";

const EDGE = { left: 12, right: 16, top: 16, bottom: 30 };

export class FunctionPlot {
  constructor(host, view) {
    this.found = null; // as GET function answers
    this.image = null;
    this.cursor = null; // [x, y] in the data's units: where the keyboard is
    this.sketch = new Sketch(host, view, (...args) => this.paint(...args), {
      label: "The network's function",
      csv: () => this.csv(),
      keys: () => this.keys(),
    });
    this.name = (label) => `class ${label}`;
    this.tip = h("div", { class: "tip", hidden: true });
    host.append(this.tip);
    host.addEventListener("pointermove", (event) => this.read(place(event, host)));
    host.addEventListener("pointerleave", () => this.read(null));
  }

  /** What the network answers at a place in pixels; null: nothing is read. */
  read(pixels) {
    const at = pixels && this.found ? this.at(pixels) : null;
    const answer = at ? this.answer(at) : null;
    this.tip.hidden = !answer;
    if (!answer) return;
    const [x, y] = at.map((v) => number(v, 3));
    const where = this.found.kind === "curve" ? `x ${x}` : `x ${x}, y ${y}`;
    this.tip.replaceChildren(...[where, ...answer].map((words) => h("div", {}, words)));
    const { width } = this.sketch;
    const left = pixels[0] + 16 + this.tip.offsetWidth > width ? pixels[0] - this.tip.offsetWidth - 12 : pixels[0] + 16;
    this.tip.style.transform = `translate(${left}px, ${Math.max(4, pixels[1] - 20)}px)`;
  }

  /** The answer's words at [x, y]. */
  answer([x, y]) {
    const { found } = this;
    if (found.kind === "curve") {
      const i = Math.round(linear(found.x[0], found.x.at(-1), 0, found.x.length - 1).at(x));
      if (!found.y.length || i < 0 || i >= found.x.length) return null;
      const target = found.target ? [`Target ${number(found.target[i])}`] : [];
      return [`Network ${number(found.y[i])}`, ...target];
    }
    const column = linear(found.x[0], found.x.at(-1), 0, found.x.length - 1).at(x);
    const row = linear(found.y[0], found.y.at(-1), 0, found.y.length - 1).at(y);
    if (found.empty) return null;
    if (found.classes === null) return [number(sample(found.z, row, column))];
    const all = found.planes ? found.planes.map((z) => sample(z, row, column)) : null;
    const one = all ? 0 : sample(found.z, row, column);
    const shares = all ?? [1 - one, one];
    const order = shares.map((_, i) => i).sort((a, b) => shares[b] - shares[a]);
    return order.slice(0, 3).map((i) => `${this.name(i)}: ${percent(shares[i], 1)}`);
  }

  /** What the network answers, a place a line: a number, class 1's probability, or every class's. */
  csv() {
    const none = { kind: "curve", x: [], y: [] };
    const { kind, x, y, z, target, planes, classes } = this.found?.empty ? none : (this.found ?? none);
    if (kind === "curve")
      return toCsv(["x", "network", ...(target ? ["target"] : [])], x.map((v, i) => [v, y[i], ...(target ? [target[i]] : [])]));
    const names = planes?.map((_, k) => this.name(k)) ?? [classes === null ? "network" : this.name(1)];
    const grids = planes ?? [z];
    const rows = y.flatMap((down, r) => x.map((across, c) => [across, down, ...grids.map((grid) => grid[r][c])]));
    return toCsv(["x", "y", ...names], rows);
  }

  /** What its colours mean. */
  keys() {
    const { found } = this;
    if (!found || found.empty) return [];
    if (found.kind === "curve") {
      const target = found.target ? [{ name: "Target", colour: "faint", dashed: true }] : [];
      return [{ name: "Network", colour: "accent" }, ...target, { name: "Data", colour: "cool", sign: "dots" }];
    }
    const { dark } = palette();
    return Array.from({ length: found.classes ?? 0 }, (_, i) => ({ name: this.name(i), colour: classColour(i, dark) }));
  }

  set(found) {
    this.found = found;
    this.image = null;
    this.sketch.describe(found ? describe(found) : "The network's function");
    this.sketch.redraw();
  }

  /** [x, y] in the data's units of a place in pixels; null outside. */
  at([px, py]) {
    if (!this.x) return null;
    const [x, y] = [this.x.back(px), this.y.back(py)];
    return x >= this.x.low && x <= this.x.high && y >= this.y.low && y <= this.y.high ? [x, y] : null;
  }

  paint(context, width, height, palette) {
    const { found } = this;
    if (!found) return;
    const curve = found.kind === "curve";
    const [x0, x1, y0, y1] = found.axes ?? bounds(found);
    context.font = `12px ${palette.font}`;
    const words = ticks(linear(y0, y1, 0, 1, 5).ticks);
    let [left, right, top, bottom] = [EDGE.left + widest(context, words), width - EDGE.right, EDGE.top, height - EDGE.bottom];
    if (!curve) {
      const side = Math.min(right - left, bottom - top); // regions are square
      left += (right - left - side) / 2;
      right = left + side;
      bottom = top + side;
    }
    this.x = linear(x0, x1, left, right, curve ? 8 : 5);
    this.y = linear(y0, y1, bottom, top, 5);
    if (curve) this.curve(context, palette, [left, right, top, bottom]);
    else this.regions(context, palette, [left, right, top, bottom]);
    if (this.cursor) this.cross(context, palette);
  }

  axes(context, palette, [left, right, top, bottom], lines) {
    context.font = `12px ${palette.font}`;
    context.strokeStyle = palette.grid;
    context.lineWidth = 1;
    for (const tick of lines ? this.x.ticks : []) {
      const x = Math.round(this.x.at(tick)) + 0.5;
      trace(context, [[x, top], [x, bottom]]);
      context.stroke();
    }
    const below = ticks(this.x.ticks);
    wordsBelow(context, palette, this.x.ticks.map((tick, i) => ({ at: this.x.at(tick), text: below[i] })), bottom + 8, [0, right + EDGE.right]);
    rowsAcross(context, palette, this.y, ticks(this.y.ticks), [left, lines ? right : left]);
  }

  // -- one input ---------------------------------------------------------------------------------------

  curve(context, palette, box) {
    const { found } = this;
    this.axes(context, palette, box, true);
    context.save();
    context.beginPath();
    context.rect(box[0], box[2], box[1] - box[0], box[3] - box[2]);
    context.clip();
    const points = found.data ?? { x: [], y: [] };
    context.fillStyle = palette.cool;
    context.globalAlpha = points.x.length > 300 ? 0.3 : 0.65;
    points.x.forEach((x, i) => disc(context, this.x.at(x), this.y.at(points.y[i]), 3));
    context.globalAlpha = 1;
    if (found.target) this.stroke(context, found.x, found.target, palette.faint, 1.5, [5, 5]);
    this.stroke(context, found.x, found.y, palette.accent, 3, []);
    context.restore();
  }

  stroke(context, xs, ys, colour, width, dash) {
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.lineJoin = context.lineCap = "round";
    context.setLineDash(dash);
    trace(
      context,
      xs.map((x, i) => (ys[i] === null ? null : [this.x.at(x), this.y.at(ys[i])])),
    );
    context.stroke();
    context.setLineDash([]);
  }

  // -- two inputs --------------------------------------------------------------------------------------

  regions(context, palette, [left, right, top, bottom]) {
    const { found } = this;
    const { dark } = palette;
    if (this.image?.dark !== dark) this.image = { dark, ...field(found, dark) };
    context.save();
    context.beginPath();
    context.roundRect(left, top, right - left, bottom - top, 10);
    context.clip();
    context.imageSmoothingEnabled = true;
    context.imageSmoothingQuality = "high";
    const [x0, x1] = [this.x.at(found.x[0]), this.x.at(found.x.at(-1))];
    const [y0, y1] = [this.y.at(found.y[0]), this.y.at(found.y.at(-1))];
    context.drawImage(this.image.raster, x0, y1, x1 - x0, y0 - y1);
    if (found.classes === 2) this.border(context, palette, this.image.fine, 0.5);
    else if (this.image.lead) for (const lead of this.image.lead) this.border(context, palette, lead, 0);
    this.points(context, palette);
    context.restore();
    this.axes(context, palette, [left, right, top, bottom], false);
  }

  /** Where two classes are equally probable: fine equals the level. */
  border(context, palette, fine, level) {
    const { found } = this;
    const [nx, ny] = [found.x.length - 1, found.y.length - 1];
    const column = linear(0, nx, this.x.at(found.x[0]), this.x.at(found.x[nx]));
    const row = linear(0, ny, this.y.at(found.y[0]), this.y.at(found.y[ny]));
    context.strokeStyle = palette.text;
    context.globalAlpha = 0.55;
    context.lineWidth = 1.5;
    context.beginPath();
    const n = (fine.length - 1) / ny;
    for (const [from, to] of contour(
      fine,
      level,
      (c) => column.at(c / n),
      (r) => row.at(r / n),
    )) {
      context.moveTo(...from);
      context.lineTo(...to);
    }
    context.stroke();
    context.globalAlpha = 1;
  }

  points(context, palette) {
    const { points, classes } = this.found;
    if (!points) return;
    const numbers = classes === null ? span(points.label) : null;
    context.lineWidth = 1.2;
    context.strokeStyle = palette.card;
    points.x.forEach((x, i) => {
      const label = points.label[i];
      context.fillStyle = numbers
        ? rgb(between((label - numbers[0]) / (numbers[1] - numbers[0] || 1), palette.dark))
        : classColour(label, palette.dark);
      disc(context, this.x.at(x), this.y.at(points.y[i]), points.x.length > 400 ? 3.2 : 4.2);
      context.stroke();
    });
  }

  cross(context, palette) {
    const [x, y] = [this.x.at(this.cursor[0]), this.y.at(this.cursor[1])];
    context.strokeStyle = palette.text;
    context.lineWidth = 1.5;
    trace(context, [[x - 11, y], [x + 11, y], null, [x, y - 11], [x, y + 11]]);
    context.stroke();
  }
}

function disc(context, x, y, radius) {
  context.beginPath();
  context.arc(x, y, radius, 0, 7);
  context.fill();
}

/** The picture of z. Two classes: class 1's probability; more: the class; numbers: the value in its range. */
function field({ z, planes, classes }, dark) {
  if (planes) return regionsOf(planes, dark);
  const [low, high] = classes === 2 ? [0, 1] : (span(z.flat()) ?? [0, 1]);
  const soft = (t) => 0.5 + (t - 0.5) * 0.56; // the points stay readable on it
  const fine = refined(z, z.length > 60 ? 3 : 4);
  return { fine, raster: raster(fine, (v) => between(soft((v - low) / (high - low || 1)), dark)) };
}

/** Of several classes: the most probable one's colour, the fainter the less it leads; and where each begins to lead. */
function regionsOf(planes, dark) {
  const ground = dark ? [23, 27, 33] : [255, 255, 255];
  const fine = planes.map((z) => refined(z, 3));
  const colours = planes.map((_, label) => classRgb(label, dark));
  const best = fine[0].map((row, r) =>
    row.map((_, c) => {
      let [first, second] = [0, -Infinity];
      for (let k = 1; k < fine.length; k++) {
        const [v, lead] = [fine[k][r][c], fine[first][r][c]];
        if (v > lead) [first, second] = [k, lead];
        else if (v > second) second = v;
      }
      return [first, Math.max(0, Math.min(1, fine[first][r][c] - second))];
    }),
  );
  const lead = fine.map((plane, k) =>
    plane.map((row, r) => row.map((v, c) => v - Math.max(...fine.filter((_, i) => i !== k).map((other) => other[r][c])))),
  );
  const colour = ([k, share]) => colours[k].map((v, i) => v * (0.12 + 0.38 * share) + ground[i] * (0.88 - 0.38 * share));
  return { fine: fine[0], lead, raster: raster(best, colour) };
}

function bounds(found) {
  if (found.kind === "regions") return [found.x[0], found.x.at(-1), found.y[0], found.y.at(-1)];
  const [low, high] = span([...found.y, ...(found.target ?? []), ...(found.data?.y ?? [])]) ?? [0, 1];
  const pad = (high - low) * 0.1 || 0.5;
  return [found.x[0], found.x.at(-1), low - pad, high + pad];
}

function describe(found) {
  if (found.kind === "curve")
    return `The network's curve from ${number(found.x[0])} to ${number(found.x.at(-1))}, with ${found.data?.x.length ?? 0} data points`;
  return `What the network answers over two inputs, with ${found.points?.x.length ?? 0} data points`;
}
