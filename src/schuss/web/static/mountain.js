// View 3: the mountain. The loss on a plane through the visited weights, as a surface and as a map, with the descent.

import { place, Sketch, trace } from "./canvas.js";
import { height as heightColour, rgb } from "./colours.js";
import { $, choice, h, toast, write } from "./dom.js";
import { contour, raster, refined, sample } from "./field.js";
import { count, number, percent } from "./format.js";
import { post } from "./requests.js";
import { toCsv } from "./save.js";
import { linear, span } from "./scales.js";
import { known, on, withoutRows } from "./store.js";
import { dot, Surface } from "./surface.js";
import { onShow } from "./views.js";

const LINES = 14; // contour lines
const MAP = { left: 14, right: 14, top: 14, bottom: 14 };

let surface;
let map;
let tip;
let logarithmic = true;
let heights = null; // {z: fine grid of shares 0..1, low, high, value(share)}
let picture = null; // the map's raster
let waiting = false; // for the fine surface
let along = null; // where the keyboard is on the path

/** The landscape's losses as heights between 0 and 1. What is not finite is as high as the highest. */
function prepare() {
  const land = known.landscape;
  heights = picture = null;
  if (!land) return;
  const all = span(land.loss.flat());
  if (!all) return;
  const positive = logarithmic && all[0] > 0;
  const on = positive ? Math.log10 : (v) => v;
  const [low, high] = [on(all[0]), on(all[1])];
  const share = (v) => (v === null ? 1 : high > low ? (on(v) - low) / (high - low) : 0);
  const coarse = land.loss.map((row) => row.map(share));
  const value = (s) => (positive ? 10 ** (low + s * (high - low)) : low + s * (high - low));
  heights = { coarse, z: refined(coarse, coarse.length > 30 ? 1 : 3), value };
}

/** The weights on the plane, [a, b, loss]: the path, or where there is none the model's own, in its middle. */
const visited = () => (known.path.length ? known.path : [[0, 0, known.landscape.centre_loss]]);

/** They in units of the grid's columns and rows. */
function steps(grid) {
  const { a, b } = known.landscape;
  const column = linear(a[0], a.at(-1), 0, grid[0].length - 1);
  const row = linear(b[0], b.at(-1), 0, grid.length - 1);
  return visited().map(([x, y]) => [column.at(x), row.at(y)]);
}

function draw() {
  const ready = Boolean(heights);
  about();
  $("surface").querySelector(".message").hidden = ready;
  $("surface").querySelector(".corner").hidden = !ready;
  $("contour").querySelector(".message").hidden = ready || known.path.length > 1;
  if (!ready) {
    surface.set(null, []);
    map.redraw();
    return;
  }
  surface.set(heights.z, steps(heights.z));
  map.redraw();
  facts();
}

/** What the plane is, and what is said where there is none yet. A file may keep its last weights alone. */
function about() {
  const alone = known.hello?.mode === "view" && !known.path.length;
  const data = known.hello?.rows || known.hello?.rows_test;
  write(
    $("mountain-about"),
    alone
      ? "The loss on a plane around the model's weights, in two random directions."
      : "The loss on a plane through the weights that training visited.",
  );
  const soon = "The surface is computed rarely, so that training is not slowed. The first one comes soon.";
  const asked = "It is computed when you ask for it: press Fine surface.";
  write(
    $("surface").querySelector(".message"),
    !data ? withoutRows("A surface of the loss needs data") : known.hello.mode === "view" ? asked : soon,
  );
  write($("contour").querySelector(".message"), alone ? "The same from above." : "The path begins with the first recorded weights.");
  $("mountain-fine").disabled = waiting || !data;
}

function facts() {
  const land = known.landscape;
  const last = known.path.at(-1);
  const list = [
    ["Loss at the last weights", number(last?.[2] ?? land.centre_loss)],
    ["Grid", `${land.a.length} × ${land.b.length}, ${count(land.rows)} rows`],
    ...(last ? [["Weights on the path", count(known.path.length)]] : []),
    ...(Number.isFinite(land.explained) ? [["Of the path's variance in this plane", percent(land.explained, 1)]] : []),
  ];
  const old = $("mountain-facts");
  const text = JSON.stringify(list);
  if (old.dataset.text === text) return;
  old.dataset.text = text;
  old.replaceChildren(...list.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
  const ends = `from ${number(known.path[0]?.[2])} to ${number(last?.[2])}`;
  const path = `; its path of ${count(known.path.length)} weights goes ${ends}. Arrow keys go along it`;
  map.describe(`Map of the loss${last ? path : ""}`);
}

/** The surface's points and the path's weights, one a line, as the server told them. */
function csv() {
  const { a, b, loss } = known.landscape ?? { a: [], b: [] };
  const points = b.flatMap((y, row) => a.map((x, column) => ["surface", x, y, loss[row][column]]));
  return toCsv(["part", "a", "b", "loss"], [...points, ...known.path.map((at) => ["path", ...at])]);
}

// -- the map -------------------------------------------------------------------------------------------

/** Columns and rows of the grid to pixels, and back. */
function frame(width, height) {
  const { z } = heights;
  const across = (width - MAP.left - MAP.right) / (z[0].length - 1);
  const up = (height - MAP.top - MAP.bottom) / (z.length - 1);
  return {
    x: (c) => MAP.left + c * across,
    y: (r) => height - MAP.bottom - r * up,
    column: (x) => Math.max(0, Math.min(z[0].length - 1, (x - MAP.left) / across)),
    row: (y) => Math.max(0, Math.min(z.length - 1, (height - MAP.bottom - y) / up)),
  };
}

function paintMap(context, width, height, palette) {
  if (!heights) {
    pathAlone(context, width, height, palette);
    return;
  }
  const { z } = heights;
  const { x, y } = frame(width, height);
  if (picture?.dark !== palette.dark)
    picture = { dark: palette.dark, image: raster(z, (v) => heightColour(v, palette.dark)) };
  context.save();
  context.beginPath();
  context.roundRect(MAP.left, MAP.top, width - MAP.left - MAP.right, height - MAP.top - MAP.bottom, 10);
  context.clip();
  context.imageSmoothingQuality = "high";
  context.drawImage(picture.image, x(0), y(z.length - 1), x(z[0].length - 1) - x(0), y(0) - y(z.length - 1));
  context.lineWidth = 1;
  for (let i = 1; i < LINES; i++) {
    const level = i / LINES;
    context.strokeStyle = level < 0.55 ? "rgb(255 255 255 / 30%)" : "rgb(10 35 60 / 22%)";
    context.beginPath();
    for (const [from, to] of contour(z, level, x, y)) {
      context.moveTo(...from);
      context.lineTo(...to);
    }
    context.stroke();
  }
  const points = steps(z).map(([c, r]) => [x(c), y(r)]);
  path(context, points, palette);
  context.restore();
  key(context, width, height, palette);
}

/** What the colours mean. */
function key(context, width, height, palette) {
  const [low, high] = [0, 1].map((s) => number(heights.value(s), 2));
  context.font = `12px ${palette.font}`;
  const [a, b] = [low, high].map((text) => context.measureText(text).width);
  const [bar, pad] = [84, 10];
  const wide = a + bar + b + 2 * pad + 16;
  const [x, y] = [width - MAP.right - wide - 10, height - MAP.bottom - 38];
  context.fillStyle = palette.card;
  context.globalAlpha = 0.9;
  context.beginPath();
  context.roundRect(x, y, wide, 28, 8);
  context.fill();
  context.globalAlpha = 1;
  const colours = context.createLinearGradient(x + pad + a + 8, 0, x + pad + a + 8 + bar, 0);
  for (let i = 0; i <= 10; i++) colours.addColorStop(i / 10, rgb(heightColour(i / 10, palette.dark)));
  context.fillStyle = colours;
  context.beginPath();
  context.roundRect(x + pad + a + 8, y + 10, bar, 8, 4);
  context.fill();
  context.strokeStyle = palette.line;
  context.lineWidth = 1;
  context.stroke();
  context.fillStyle = palette.muted;
  context.textAlign = "left";
  context.textBaseline = "middle";
  context.fillText(low, x + pad, y + 14.5);
  context.fillText(high, x + pad + a + bar + 16, y + 14.5);
}

/** Before there is a surface: where the weights have gone so far. */
function pathAlone(context, width, height, palette) {
  if (known.path.length < 2) return;
  const axis = (i, from, to) => {
    const [low, high] = span(known.path.map((p) => p[i])) ?? [0, 1];
    const pad = (high - low) * 0.2 || 1;
    return linear(low - pad, high + pad, from, to, 8);
  };
  const x = axis(0, MAP.left, width - MAP.right);
  const y = axis(1, height - MAP.bottom, MAP.top);
  context.strokeStyle = palette.grid;
  context.lineWidth = 1;
  for (const tick of x.ticks) {
    trace(context, [
      [x.at(tick), MAP.top],
      [x.at(tick), height - MAP.bottom],
    ]);
    context.stroke();
  }
  for (const tick of y.ticks) {
    trace(context, [
      [MAP.left, y.at(tick)],
      [width - MAP.right, y.at(tick)],
    ]);
    context.stroke();
  }
  path(
    context,
    known.path.map(([a, b]) => [x.at(a), y.at(b)]),
    palette,
  );
}

function path(context, points, palette) {
  if (!points.length) return;
  context.lineJoin = context.lineCap = "round";
  const accent = palette.dark ? palette.accent : "#e0531f";
  for (const [colour, width] of [
    ["rgb(255 255 255 / 55%)", 5],
    [accent, 2.4],
  ]) {
    context.strokeStyle = colour;
    context.lineWidth = width;
    trace(context, points);
    context.stroke();
  }
  dot(context, points[0], 4.5, "#fff", accent);
  dot(context, points.at(-1), 6.5, accent, "#fff");
}

/** The loss at a place of the map in pixels, and the nearest weights of the path; null: nothing is read. */
function read(at) {
  tip.hidden = !at || !heights;
  if (tip.hidden) return;
  const { z } = heights;
  const { width, height } = map;
  const { x, y, column, row } = frame(width, height);
  const lines = [`Loss here ${number(heights.value(sample(z, row(at[1]), column(at[0]))), 3)}`];
  const near = steps(z)
    .map(([c, r], i) => [Math.hypot(x(c) - at[0], y(r) - at[1]), i])
    .sort((p, q) => p[0] - q[0])[0];
  const name = known.path.length ? `Path ${near[1] + 1} of ${known.path.length}` : "The model";
  if (near[0] < 14) lines.push(`${name}: loss ${number(visited()[near[1]][2])}`);
  tip.replaceChildren(...lines.map((text) => h("div", {}, text)));
  const left = at[0] + 16 + tip.offsetWidth > width ? at[0] - tip.offsetWidth - 12 : at[0] + 16;
  tip.style.transform = `translate(${left}px, ${Math.max(4, at[1] - 20)}px)`;
}

/** Along the path by arrow keys. */
function walk(event) {
  const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!by || !heights) return;
  event.preventDefault();
  const last = visited().length - 1;
  along = along === null ? (by > 0 ? 0 : last) : Math.max(0, Math.min(last, along + by));
  const [column, row] = steps(heights.z)[along];
  const { x, y } = frame(map.width, map.height);
  read([x(column), y(row)]);
  map.describe(tip.textContent);
}

// -- the fine surface ----------------------------------------------------------------------------------

async function fine() {
  try {
    wait(true);
    write($("mountain-note"), "The fine surface is being computed…");
    await post("landscape", { size: 51, rows: 10000 });
  } catch (error) {
    wait(false);
    write($("mountain-note"), " ");
    toast(error.message);
  }
}

function wait(yes) {
  const focused = document.activeElement;
  waiting = yes;
  $("mountain-fine").disabled = yes;
  $("mountain-cancel").hidden = !yes;
  if (focused === $(yes ? "mountain-fine" : "mountain-cancel")) $(yes ? "mountain-cancel" : "mountain-fine").focus();
}

/** What the server says of the fine surface: how far it is, that it failed, or nothing more. */
function note(text) {
  if (!waiting) return;
  write($("mountain-note"), text || " ");
  if (!text.endsWith("%")) wait(false);
}

async function cancel() {
  $("mountain-cancel").disabled = true;
  try {
    await post("landscape", { cancel: true });
    wait(false);
    write($("mountain-note"), "It was cancelled.");
  } catch (error) {
    toast(error.message);
  } finally {
    $("mountain-cancel").disabled = false;
  }
}

export function startMountain() {
  surface = new Surface($("surface"), "mountain", csv);
  map = new Sketch($("contour"), "mountain", paintMap, { label: "Map of the loss", interactive: true, csv });
  tip = h("div", { class: "tip", hidden: true });
  $("contour").append(tip);
  for (const id of ["surface", "contour"]) $(id).append(h("p", { class: "message" }));
  $("surface").append(h("span", { class: "corner" }, "Drag to turn"));
  map.canvas.addEventListener("pointermove", (event) => read(place(event, map.canvas)));
  map.canvas.addEventListener("keydown", walk);
  for (const name of ["pointerleave", "blur"]) map.canvas.addEventListener(name, () => (read(null), (along = null)));
  choice(
    $("mountain-scale"),
    [
      ["log", "Log"],
      ["linear", "Linear"],
    ],
    "log",
    (v) => {
      logarithmic = v === "log";
      prepare();
      draw();
    },
  );
  $("mountain-fine").addEventListener("click", fine);
  $("mountain-cancel").addEventListener("click", cancel);
  on("note", (event) => note(event.text ?? ""));
  on("landscape", (event) => {
    if (event.fine) note("This is the fine surface.");
    prepare();
    draw();
  });
  on("hello", () => (wait(false), write($("mountain-note"), " "), prepare(), draw()));
  on("path", draw);
  onShow("mountain", draw);
}
