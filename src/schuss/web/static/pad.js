// A pad to draw a digit on with mouse, finger or keys. What is drawn is kept as lines, so that it can be made an
// image of any size: as large as the box asks for, with the stroke of a pen that wrote the training digits.

import { place, Sketch } from "./canvas.js";
import { h } from "./dom.js";

const PEN = 0.085; // of the pad's side
const INK = 0.13; // the stroke of the image, of the drawing's larger side
const FILL = 0.86; // of the image is filled by the drawing; the server scales it further
const KEY = 0.025; // of the side, one press of an arrow key

export class Pad {
  /** changed() is called with every line; host holds the pad. */
  constructor(host, view, changed) {
    this.strokes = []; // lists of [x, y], of the side
    this.picture = null; // an example of the data in their place: {values, size: [height, width]}
    this.changed = changed;
    this.brush = null; // the keyboard's place
    this.sketch = new Sketch(host, view, (...args) => this.paint(...args), { label: "Your drawing" });
    this.message = h("span", { class: "message" }, "Draw here");
    host.append(this.message);
    this.listen(host);
  }

  listen(host) {
    let drawing = false;
    host.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      drawing = true;
      this.brush = null;
      host.setPointerCapture(event.pointerId);
      this.strokes.push([this.from(event, host)]);
      this.drawn();
    });
    host.addEventListener("pointermove", (event) => {
      if (!drawing) return;
      const passed = event.getCoalescedEvents?.() ?? [];
      for (const e of passed.length ? passed : [event]) this.strokes.at(-1).push(this.from(e, host));
      this.drawn();
    });
    for (const name of ["pointerup", "pointercancel"]) host.addEventListener(name, () => (drawing = false));
    host.addEventListener("keydown", (event) => this.key(event));
    host.addEventListener("blur", () => {
      this.brush = null;
      this.sketch.redraw();
    });
  }

  from(event, host) {
    const [x, y] = place(event, host);
    return [x / host.clientWidth, y / host.clientHeight];
  }

  key(event) {
    const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (event.key.toLowerCase() === "c" && !event.ctrlKey && !event.metaKey) this.clear();
    else if (move) {
      const from = this.brush ?? [0.5, 0.3];
      this.brush = from.map((v, i) => Math.max(0.02, Math.min(0.98, v + KEY * move[i])));
      if (event.shiftKey) this.extend(from);
    } else return;
    event.preventDefault();
    event.stopPropagation();
    this.sketch.redraw();
  }

  /** One more piece of the line the keyboard draws. */
  extend(from) {
    const last = this.strokes.at(-1)?.at(-1);
    const joined = last && Math.hypot(last[0] - from[0], last[1] - from[1]) < 1e-6;
    if (joined) this.strokes.at(-1).push(this.brush);
    else this.strokes.push([from, this.brush]);
    this.drawn();
  }

  /** Show an example of the data; the next line begins a drawing. */
  show(values, size) {
    this.strokes = [];
    this.picture = { values, size, canvas: pictureOf(values, size) };
    this.message.hidden = true;
    this.sketch.redraw();
    this.changed();
  }

  drawn() {
    this.picture = null;
    this.message.hidden = true;
    this.sketch.redraw();
    this.changed();
  }

  clear() {
    this.strokes = [];
    this.picture = null;
    this.message.hidden = false;
    this.sketch.redraw();
    this.changed();
  }

  undo() {
    this.strokes.pop();
    if (this.strokes.length) this.drawn();
    else this.clear();
  }

  paint(context, width) {
    if (this.picture) {
      context.imageSmoothingEnabled = false;
      context.drawImage(this.picture.canvas, 0, 0, width, width);
    }
    line(
      context,
      this.strokes.map((s) => s.map(([x, y]) => [x * width, y * width])),
      PEN * width,
    );
    if (!this.brush) return;
    context.strokeStyle = "#ff8a5c";
    context.lineWidth = 2;
    context.beginPath();
    context.arc(this.brush[0] * width, this.brush[1] * width, (PEN * width) / 2, 0, 7);
    context.stroke();
  }

  /** Grey values 0..255, row by row, of an image [height, width]; null if nothing is drawn. fitted: as large as fits. */
  image([height, width], fitted) {
    const points = this.strokes.flat();
    if (!points.length) return null;
    const xs = points.map((p) => p[0]);
    const ys = points.map((p) => p[1]);
    const all = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    const [x0, x1, y0, y1] = fitted ? all : [0, 1, 0, 1];
    const extent = Math.max(x1 - x0, y1 - y0, 0.08);
    const side = Math.min(height, width);
    const pen = fitted ? INK * FILL * side : Math.max(1.3, PEN * side);
    const scale = fitted ? (FILL * side - pen) / extent : side;
    const canvas = document.createElement("canvas");
    canvas.width = width;
    canvas.height = height;
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.fillStyle = "#000";
    context.fillRect(0, 0, width, height);
    const moved = ([x, y]) => [width / 2 + (x - (x0 + x1) / 2) * scale, height / 2 + (y - (y0 + y1) / 2) * scale];
    line(
      context,
      this.strokes.map((s) => s.map(moved)),
      pen,
    );
    const { data } = context.getImageData(0, 0, width, height);
    return Array.from({ length: width * height }, (_, i) => data[4 * i]);
  }
}

/** The numbers of a picture as greys, from black at 0 to white at the largest. */
export function pictureOf(values, [height, width]) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(width, height);
  const low = Math.min(...values, 0);
  const top = Math.max(...values) > 1 ? Math.max(255, ...values) : Math.max(1e-6, ...values);
  values.forEach((v, i) => pixels.data.set([0, 1, 2].map(() => (255 * (v - low)) / (top - low)).concat(255), 4 * i));
  context.putImageData(pixels, 0, 0);
  return canvas;
}

function line(context, strokes, width) {
  context.strokeStyle = "#fff";
  context.lineWidth = width;
  context.lineCap = context.lineJoin = "round";
  for (const stroke of strokes) {
    context.beginPath();
    context.moveTo(...stroke[0]);
    if (stroke.length === 1) context.lineTo(stroke[0][0] + 1e-3, stroke[0][1]);
    for (const point of stroke.slice(1)) context.lineTo(...point);
    context.stroke();
  }
}
