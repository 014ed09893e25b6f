// A surface in perspective on a plain canvas, drawn from the back to the front; turned by pointer and arrow keys.

import { place, Sketch, trace } from "./canvas.js";
import { height as heightColour, rgb } from "./colours.js";
import { sample } from "./field.js";

const LIGHT = normal([-0.5, 0.9, 0.45]);
const TALL = 0.62; // of the surface's half width

function normal([x, y, z]) {
  const size = Math.hypot(x, y, z) || 1;
  return [x / size, y / size, z / size];
}

export class Surface {
  constructor(host, view, csv) {
    this.turn = -0.65; // around the vertical axis
    this.tilt = 0.62;
    this.near = 1;
    this.grid = null; // heights 0..1, [row][column]
    this.path = []; // [column, row] in units of the grid
    this.sketch = new Sketch(host, view, (...args) => this.paint(...args), {
      label: "The loss as a surface",
      interactive: true,
      csv,
    });
    this.listen(this.sketch.canvas);
  }

  set(grid, path) {
    Object.assign(this, { grid, path });
    this.sketch.redraw();
  }

  listen(canvas) {
    let held = null;
    canvas.addEventListener("pointerdown", (event) => {
      held = place(event, canvas);
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!held) return;
      const now = place(event, canvas);
      this.rotate((now[0] - held[0]) * 0.008, (now[1] - held[1]) * 0.006);
      held = now;
    });
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => (held = null));
    canvas.addEventListener("keydown", (event) => {
      const move = { ArrowLeft: [-0.12, 0], ArrowRight: [0.12, 0], ArrowUp: [0, -0.08], ArrowDown: [0, 0.08] }[
        event.key
      ];
      if (move) this.rotate(...move);
      else if (event.key === "+" || event.key === "-") this.zoom(event.key === "+" ? 1.1 : 1 / 1.1);
      else return;
      event.preventDefault();
    });
    canvas.addEventListener(
      "wheel",
      (event) => {
        if (!event.ctrlKey) return; // pinch, or Ctrl and the wheel; the wheel alone scrolls the page
        event.preventDefault();
        this.zoom(Math.exp(-event.deltaY * 0.004));
      },
      { passive: false },
    );
  }

  rotate(turn, tilt) {
    this.turn += turn;
    this.tilt = Math.max(0.12, Math.min(1.45, this.tilt + tilt));
    this.sketch.redraw();
  }

  zoom(factor) {
    this.near = Math.max(0.6, Math.min(2.5, this.near * factor));
    this.sketch.redraw();
  }

  /** A point of the unit box (x, z in -1..1, y its height 0..1) -> [pixel x, pixel y, depth]. */
  projector(width, height) {
    const [st, ct, si, ci] = [Math.sin(this.turn), Math.cos(this.turn), Math.sin(this.tilt), Math.cos(this.tilt)];
    const unit = Math.min(width / 3.3, height / 2.75) * this.near;
    return (x, y, z) => {
      const rx = x * ct - z * st;
      const rz = x * st + z * ct;
      const ry = (y - 0.42) * 2 * TALL;
      const depth = rz * ci + ry * si;
      const perspective = 4.6 / (4.6 - depth);
      return [width / 2 + rx * unit * perspective, height * 0.465 - (ry * ci - rz * si) * unit * perspective, depth];
    };
  }

  paint(context, width, height, palette) {
    if (!this.grid) return;
    const project = this.projector(width, height);
    const pieces = [...this.quads(project, palette.dark), ...this.steps(project)];
    pieces.sort((a, b) => a.depth - b.depth);
    this.floor(context, project, palette);
    for (const piece of pieces) (piece.line ? drawStep : drawQuad)(context, piece, palette);
    this.ends(context, project, palette);
  }

  quads(project, dark) {
    const { grid } = this;
    const rows = grid.length;
    const columns = grid[0].length;
    const x = (c) => (2 * c) / (columns - 1) - 1;
    const z = (r) => 1 - (2 * r) / (rows - 1);
    const corners = grid.map((row, r) => row.map((value, c) => project(x(c), value, z(r))));
    const quads = [];
    for (let r = 0; r + 1 < rows; r++) {
      for (let c = 0; c + 1 < columns; c++) {
        const four = [corners[r][c], corners[r][c + 1], corners[r + 1][c + 1], corners[r + 1][c]];
        const mean = (grid[r][c] + grid[r][c + 1] + grid[r + 1][c + 1] + grid[r + 1][c]) / 4;
        const slope = [
          ((grid[r][c + 1] - grid[r][c] + grid[r + 1][c + 1] - grid[r + 1][c]) * TALL * (columns - 1)) / 2,
          ((grid[r + 1][c] - grid[r][c] + grid[r + 1][c + 1] - grid[r][c + 1]) * TALL * (rows - 1)) / 2,
        ];
        const n = normal([-slope[0], 1, slope[1]]);
        const light = Math.max(0, n[0] * LIGHT[0] + n[1] * LIGHT[1] + n[2] * LIGHT[2]);
        const depth = (four[0][2] + four[1][2] + four[2][2] + four[3][2]) / 4;
        quads.push({ depth, four, fill: rgb(heightColour(mean, dark), 0.6 + 0.44 * light) });
      }
    }
    return quads;
  }

  /** The path's points on the surface, in the box. */
  onSurface() {
    const rows = this.grid.length;
    const columns = this.grid[0].length;
    return this.path.map(([c, r]) => [
      (2 * c) / (columns - 1) - 1,
      sample(this.grid, r, c) + 0.012,
      1 - (2 * r) / (rows - 1),
    ]);
  }

  /** The path, cut so finely that each piece has its place between the quads. */
  steps(project) {
    const steps = [];
    const fine = [];
    const step = 0.5;
    for (let i = 0; i + 1 < this.path.length; i++) {
      const [a, b] = [this.path[i], this.path[i + 1]];
      const cuts = Math.max(1, Math.min(60, Math.ceil(Math.hypot(b[0] - a[0], b[1] - a[1]) / step)));
      for (let k = 0; k < cuts; k++) fine.push([a[0] + ((b[0] - a[0]) * k) / cuts, a[1] + ((b[1] - a[1]) * k) / cuts]);
    }
    if (this.path.length) fine.push(this.path.at(-1));
    const points = this.onSurface.call({ grid: this.grid, path: fine }).map((p) => project(...p));
    for (let i = 0; i + 1 < points.length; i++) {
      steps.push({ line: [points[i], points[i + 1]], depth: Math.max(points[i][2], points[i + 1][2]) + 0.06 });
    }
    return steps;
  }

  floor(context, project, palette) {
    context.strokeStyle = palette.line;
    context.lineWidth = 1;
    trace(
      context,
      [
        [-1, -1],
        [1, -1],
        [1, 1],
        [-1, 1],
        [-1, -1],
      ].map(([x, z]) => project(x, -0.02, z)),
    );
    context.stroke();
  }

  ends(context, project, palette) {
    const points = this.onSurface();
    if (!points.length) return;
    dot(context, project(...points[0]), 4.5, palette.card, palette.accent);
    dot(context, project(...points.at(-1)), 6, palette.accent, palette.card);
  }
}

function drawQuad(context, { four, fill }) {
  context.fillStyle = context.strokeStyle = fill;
  context.lineWidth = 0.7; // closes the seams between neighbours
  trace(context, four);
  context.closePath();
  context.fill();
  context.stroke();
}

function drawStep(context, { line }, palette) {
  context.strokeStyle = palette.accent;
  context.lineWidth = 2.6;
  context.lineCap = "round";
  trace(context, line);
  context.stroke();
}

export function dot(context, [x, y], radius, fill, edge) {
  context.beginPath();
  context.arc(x, y, radius, 0, 7);
  context.fillStyle = fill;
  context.fill();
  context.strokeStyle = edge;
  context.lineWidth = 2;
  context.stroke();
}
