// View 5: try it. A small network on data of your choice, trained again at every change.

import { place } from "./canvas.js";
import { $, choice, h, relabel, settled, toast, write } from "./dom.js";
import { count, metricName, metricValue, number, steady } from "./format.js";
import { Layers } from "./layers.js";
import { legend } from "./legend.js";
import { LineChart } from "./linechart.js";
import { FunctionPlot } from "./plot.js";
import { getJson, oneAtATime, post } from "./requests.js";
import { byEpoch, curve, mainMetric } from "./series.js";
import { steer } from "./status.js";
import { known, OF, on, playground } from "./store.js";
import { thumbnail } from "./thumbnails.js";
import { onShow, seen } from "./views.js";

const SETS = [
  ["circle", "Circle"],
  ["xor", "Xor"],
  ["spiral", "Spiral"],
  ["sine", "Sine"],
  ["steps", "Steps"],
  ["points", "Yours"],
];
const CURVES = ["sine", "steps"];
const POINTS = 500;
const STRIDE = 0.05; // of the keyboard's cursor
const BESIDE =
  "A run is in training. The playground starts when it has ended; press Train to start it now. " +
  "Both then share the processor.";
const EMPTY = {
  kind: "regions",
  x: [-1.3, 1.3],
  y: [-1.3, 1.3],
  z: [
    [0.5, 0.5],
    [0.5, 0.5],
  ],
  classes: 2,
  empty: true,
  axes: [-1.3, 1.3, -1.3, 1.3],
};

const chosen = { data: "circle", points: [], label: 0, curve: false };
let plot;
let chart;
let layers;
let waiting; // what is said in place of a picture
let pickData;
let asked = false; // a run of the playground was asked for by this page

const mine = playground.known;
const playing = () => mine.hello !== null;
const training = () => OF === "main" && known.hello?.mode === "train" && !known.run.finished;
const tooFew = () => chosen.data === "points" && chosen.points.length < 2;
const isCurve = () => CURVES.includes(chosen.data) || (chosen.data === "points" && chosen.curve);

// -- training ------------------------------------------------------------------------------------------

function wanted() {
  const decay = Number($("play-decay").value);
  return {
    data: chosen.data,
    ...(chosen.data === "points" ? { points: chosen.points } : {}),
    layers: layers.units,
    activation: $("play-activation").value,
    optimizer: $("play-optimizer").value,
    lr: rate(),
    noise: Number($("play-noise").value),
    regularisation: decay ? 10 ** (decay / 2 - 6) : 0,
    seed: 0,
  };
}

const train = oneAtATime(async () => {
  if (!known.connected) return;
  asked = true;
  let late = 0;
  try {
    if (tooFew()) {
      if (playing()) await post("play", { data: null }); // nothing to learn from: no network either
      write($("play-note"), "Add at least two points.");
      return;
    }
    if (!plot.found?.step) say("Getting ready…");
    late = setTimeout(() => write($("play-note"), "Compiling this network…"), 400);
    await post("play", wanted());
    clearTimeout(late);
    write($("play-note"), " ");
  } catch (error) {
    clearTimeout(late);
    say("");
    write($("play-note"), error.message);
  }
});

/** Train from the start: a pause, which other changes leave, ends. */
async function again() {
  if (mine.run.paused) await steer("resume", undefined, "play");
  train();
}

const idle = () => training() && !asked; // beside a run in training it trains only when asked to
const soon = settled(() => (idle() ? null : train()), 200);
const rate = () => Number((10 ** Number($("play-lr").value)).toPrecision(2));

const load = oneAtATime(async () => {
  if (!playing()) return;
  try {
    take(await getJson("function", {}, "play"));
  } catch (error) {
    if (known.connected) write($("play-note"), error.message);
  }
});

function take(found) {
  if (!playing() || (found.kind !== "curve" && found.kind !== "regions")) return;
  if (tooFew() || mine.hello.label !== chosen.data) return; // of a network that is about to end
  say("");
  $("play-stage").classList.remove("old");
  plot.set(chosen.data === "points" ? withPoints(found) : found);
}

function say(text) {
  write(waiting, text);
  waiting.hidden = !text;
}

// -- what is shown -------------------------------------------------------------------------------------

function readout() {
  if (!seen("play")) return;
  const here = playing();
  const name = here ? mainMetric(mine) : null;
  write($("play-loss"), here ? number(mine.run.loss ?? mine.moments.at(-1)?.loss, 3) : "–");
  write($("play-metric-name"), name ? metricName(name) : "Step");
  write(
    $("play-metric"),
    name
      ? metricValue(name, mine.run.metrics?.[name] ?? mine.moments.at(-1)?.metrics?.[name]).replace(/\.\d+/, (d) =>
          d.slice(0, 2),
        )
      : here
        ? count(mine.run.step)
        : "–",
  );
  $("play-leave").hidden = $("play-inside").hidden = !here;
  $("play-pause").hidden = $("play-step").hidden = !here || Boolean(mine.run.finished);
  relabel($("play-pause"), mine.run.paused ? "play" : "pause", mine.run.paused ? "Resume" : "Pause");
  $("play-again").textContent = here ? "Train again" : "Train";
  write($("play-epoch"), here ? count(mine.run.epoch) : "–");
}

function drawChart() {
  if (!seen("play")) return;
  const points = playing() ? curve(mine, "loss") : [];
  const test = playing() ? byEpoch(mine, "val_loss") : [];
  const series = [
    ...(points.length ? [{ name: "Training", colour: "accent", points }] : []),
    ...(test.length ? [{ name: "Test", colour: "cool", points: test }] : []),
  ];
  legend($("play-legend"), series);
  chart.set(series);
}

function knobs() {
  write($("play-lr-shown"), number(rate()));
  write($("play-noise-shown"), number(Number($("play-noise").value)));
  const decay = Number($("play-decay").value);
  write($("play-decay-shown"), decay ? number(10 ** (decay / 2 - 6), 2) : "none");
  const own = chosen.data === "points";
  $("play-noise").disabled = own;
  $("play-label").style.visibility = isCurve() ? "hidden" : "visible";
  $("play-clear").hidden = !own || !chosen.points.length;
  const hint = own && !chosen.points.length ? "Click to place the first points." : "Click to add a point.";
  write($("play-hint"), idle() ? " " : hint);
}

// -- points --------------------------------------------------------------------------------------------

/** Add a point of the chosen class; what was drawn so far becomes the person's own data. */
function add([x, y]) {
  if (idle()) return;
  if (chosen.data !== "points") {
    chosen.curve = isCurve();
    const found = plot.found;
    const old = !found
      ? []
      : found.kind === "curve"
        ? found.data.x.map((v, i) => [inside(v), inside(found.data.y[i]), null])
        : found.points.x.map((v, i) => [inside(v), inside(found.points.y[i]), found.points.label[i]]);
    chosen.points = thinned(old, POINTS - 50);
    chosen.data = "points";
    pickData("points");
  }
  if (chosen.points.length >= POINTS) {
    toast(`${POINTS} points are the most it takes.`);
    return;
  }
  chosen.points.push([inside(x), inside(y), chosen.curve ? null : Number(chosen.label)]);
  knobs();
  show();
  soon();
}

const inside = (v) => Number(Math.max(-1, Math.min(1, v)).toFixed(4));

const thinned = (points, most) =>
  points.length <= most
    ? points
    : points.filter((_, i) => Math.floor((i * most) / points.length) !== Math.floor(((i - 1) * most) / points.length));

/** What was found with the points as they are now. */
function withPoints(found) {
  const [x, y, label] = [0, 1, 2].map((i) => chosen.points.map((p) => p[i]));
  return found.kind === "curve" ? { ...found, data: { x, y } } : { ...found, points: { x, y, label } };
}

/** Draw the points at once, before the server has trained on them. */
const show = () => plot.set(withPoints(plot.found ?? EMPTY));

/** No points: nothing is learned from them, and no network is left. */
function clear() {
  chosen.points = [];
  chosen.curve = false;
  say("");
  plot.set(null);
  show();
  knobs();
  if (!idle()) train();
}

function startStage() {
  const stage = $("play-stage");
  stage.setAttribute("role", "application");
  stage.setAttribute(
    "aria-label",
    "The data and what the network makes of them. Arrow keys move a cursor, Enter adds a point there.",
  );
  stage.addEventListener("click", (event) => {
    const at = plot.at(place(event, stage));
    if (at) add(at);
  });
  stage.addEventListener("keydown", (event) => {
    const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (move) plot.cursor = (plot.cursor ?? [0, 0]).map((v, i) => Math.max(-1, Math.min(1, v + STRIDE * move[i])));
    else if (event.key === "Enter" && plot.cursor) add(plot.cursor);
    else return;
    event.preventDefault();
    plot.sketch.redraw();
  });
  stage.addEventListener("blur", () => {
    plot.cursor = null;
    plot.sketch.redraw();
  });
}

// -- the form ------------------------------------------------------------------------------------------

function startForm() {
  const form = $("play-form");
  $("play-data").setAttribute("role", "radiogroup");
  $("play-data").setAttribute("aria-label", "Data");
  pickData = choice(
    $("play-data"),
    SETS,
    chosen.data,
    (value) => {
      chosen.data = value;
      if (value === "points") return clear();
      knobs();
      soon();
    },
    (value, text) => [thumbnail(value), text],
  );
  choice(
    $("play-label"),
    [
      [0, "Blue"],
      [1, "Red"],
      [2, "Green"],
    ],
    0,
    (value) => (chosen.label = value),
    (value, text) => [h("span", { class: "dot", style: `--dot: var(--class-${value})` }), text],
  );
  layers = new Layers($("play-layers"), [8, 8], soon);
  offer();
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => {
    knobs();
    soon();
  });
}

/** What the server knows by name: activations and optimizers. Before it has said so, what is chosen at first. */
function offer() {
  for (const [name, first] of [
    ["activation", "tanh"],
    ["optimizer", "adam"],
  ]) {
    const select = $(`play-${name}`);
    const value = select.value || first;
    const names = known.hello?.offered?.[name] ?? [first];
    select.replaceChildren(...names.map((text) => h("option", { value: text }, text)));
    select.value = names.includes(value) ? value : names[0];
  }
}

async function leave() {
  try {
    await post("play", { data: null });
  } catch (error) {
    toast(error.message);
  }
}

/** A network begins. Another tab or this page before it was loaded anew may have asked for it. */
function hello() {
  const settings = mine.hello.play;
  if (!asked && settings) adopt(settings);
  $("play-stage").classList.toggle("old", settings?.data !== "points"); // until the new network's function comes
  if (seen("play")) begin();
  readout();
  drawChart();
}

/** It has ended: what it showed goes with it. */
function gone() {
  say("");
  plot.set(null);
  show();
  $("play-stage").classList.remove("old");
  readout();
  drawChart();
  knobs();
}

/** Put a playground's settings into the form. */
function adopt(settings) {
  Object.assign(chosen, { data: settings.data, points: settings.points ?? [] });
  chosen.curve = chosen.data === "points" && chosen.points.every((p) => p[2] === null);
  pickData(chosen.data);
  layers.units = [...settings.layers];
  layers.draw();
  offer();
  $("play-activation").value = settings.activation;
  $("play-optimizer").value = settings.optimizer;
  $("play-lr").value = String(Math.log10(settings.lr));
  $("play-noise").value = String(settings.noise);
  $("play-decay").value = String(settings.regularisation ? 2 * (Math.log10(settings.regularisation) + 6) : 0);
  knobs();
}

/** Show the playground; open it if nothing is being trained. */
function begin() {
  if (!known.hello || known.hello.table || known.hello.members) return; // a table has a form here
  knobs();
  readout();
  if (playing()) load();
  else if (training()) {
    plot.set(null);
    say(BESIDE);
  } else if (!asked) train();
}

export function startPlay() {
  plot = new FunctionPlot($("play-stage"), "play");
  plot.name = (label) => ["blue", "red", "green"][label] ?? `class ${label}`;
  chart = new LineChart($("play-chart"), "play", { name: "Loss", x: (v) => `Epoch ${number(v, 3)}`, y: steady });
  waiting = h("p", { class: "message", role: "status", hidden: true });
  $("play-stage").append(waiting);
  startForm();
  startStage();
  knobs();
  show();
  $("play-again").addEventListener("click", again);
  $("play-clear").addEventListener("click", clear);
  $("play-leave").addEventListener("click", leave);
  playground.on("hello", hello);
  playground.on("gone", gone);
  playground.on("state end", readout);
  playground.on("moment epoch curve", drawChart);
  playground.on("function", take);
  playground.on("note", (event) => write($("play-note"), event.text || " "));
  on("hello", offer);
  on("hello end", () => seen("play") && begin());
  onShow("play", () => {
    readout();
    drawChart();
    begin();
  });
}
