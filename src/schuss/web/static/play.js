// View 5: try it. A small network on data of your choice, trained again at every change.

import { place } from "./canvas.js";
import { $, choice, h, settled, toast, write } from "./dom.js";
import { count, metricName, metricValue, number, steady } from "./format.js";
import { Layers } from "./layers.js";
import { LineChart } from "./linechart.js";
import { FunctionPlot } from "./plot.js";
import { getJson, oneAtATime, post } from "./requests.js";
import { byEpoch, curve, legend, mainMetric } from "./run.js";
import { known, on } from "./store.js";
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
  "Both then share the processor, and the page shows the playground until you go back.";

const chosen = { data: "circle", points: [], label: 0, curve: false };
let plot;
let chart;
let layers;
let waiting; // what is said in place of a picture
let pickData;
let asked = false; // a run of the playground was asked for by this page

const playing = () => known.hello?.mode === "play";
const training = () => known.hello?.mode === "train" && !known.run.finished;
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
  if (chosen.data === "points" && chosen.points.length < 2) {
    write($("play-note"), "Add at least two points.");
    return;
  }
  asked = true;
  if (!plot.found?.step) say("Getting ready…");
  const late = setTimeout(() => write($("play-note"), "Compiling this network…"), 400);
  try {
    await post("play", wanted());
    clearTimeout(late);
    write($("play-note"), " ");
  } catch (error) {
    clearTimeout(late);
    say("");
    write($("play-note"), error.message);
  }
});

const idle = () => training() && !asked; // beside a run in training it trains only when asked to
const soon = settled(() => (idle() ? null : train()), 200);
const rate = () => Number((10 ** Number($("play-lr").value)).toPrecision(2));

const load = oneAtATime(async () => {
  if (!playing()) return;
  try {
    take(await getJson("function"));
  } catch (error) {
    if (known.connected) write($("play-note"), error.message);
  }
});

function take(found) {
  if (!playing() || (found.kind !== "curve" && found.kind !== "regions")) return;
  say("");
  $("play-stage").classList.remove("old");
  plot.set(found);
}

function say(text) {
  write(waiting, text);
  waiting.hidden = !text;
}

// -- what is shown -------------------------------------------------------------------------------------

function readout() {
  if (!seen("play")) return;
  const here = playing();
  const name = here ? mainMetric() : null;
  write($("play-loss"), here ? number(known.run.loss ?? known.moments.at(-1)?.loss, 3) : "–");
  write($("play-metric-name"), name ? metricName(name) : "Step");
  write(
    $("play-metric"),
    name
      ? metricValue(name, known.run.metrics?.[name] ?? known.moments.at(-1)?.metrics?.[name]).replace(/\.\d+/, (d) =>
          d.slice(0, 2),
        )
      : here
        ? count(known.run.step)
        : "–",
  );
  write($("play-epoch"), here ? count(known.run.epoch) : "–");
}

function drawChart() {
  if (!seen("play")) return;
  const points = playing() ? curve("loss") : [];
  const test = playing() ? byEpoch("val_loss") : [];
  const series = [
    ...(points.length ? [{ name: "Training", colour: "accent", points }] : []),
    ...(test.length ? [{ name: "Test", colour: "cool", points: test }] : []),
  ];
  legend($("play-legend"), series);
  chart.set(series, [], points.at(-1)?.[0]);
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

/** Draw the points at once, before the server has trained on them. */
function show() {
  const base = plot.found ?? {
    kind: "regions",
    x: [-1.3, 1.3],
    y: [-1.3, 1.3],
    z: [
      [0.5, 0.5],
      [0.5, 0.5],
    ],
    classes: 2,
    axes: [-1.3, 1.3, -1.3, 1.3],
  };
  const [x, y, label] = [0, 1, 2].map((i) => chosen.points.map((p) => p[i]));
  plot.set(base.kind === "curve" ? { ...base, data: { x, y } } : { ...base, points: { x, y, label } });
}

function clear() {
  chosen.points = [];
  chosen.curve = false;
  plot.set(null);
  show();
  knobs();
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
      if (value === "points") clear();
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
  for (const [id, names] of [
    ["play-activation", ["tanh", "relu", "sigmoid", "gelu"]],
    ["play-optimizer", ["adam", "sgd", "rmsprop", "adagrad"]],
  ]) {
    $(id).append(...names.map((name) => h("option", { value: name }, name)));
  }
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", () => {
    knobs();
    soon();
  });
}

async function leave() {
  try {
    await post("play", { data: null });
    asked = false;
  } catch (error) {
    toast(error.message);
  }
}

function hello() {
  $("play-stage").classList.toggle("old", playing()); // until the new network's function comes
  $("play-leave").hidden = !playing();
  if (seen("play")) begin();
  readout();
  drawChart();
}

/** Show the playground; open it if nothing is being trained. */
function begin() {
  if (!known.hello) return;
  knobs();
  $("play-again").textContent = playing() ? "Train again" : "Train";
  if (playing()) load();
  else if (training()) {
    plot.set(null);
    say(BESIDE);
  }
  else if (!asked) train();
}

export function startPlay() {
  plot = new FunctionPlot($("play-stage"), "play");
  chart = new LineChart($("play-chart"), "play", { name: "Loss", x: (v) => `Epoch ${number(v, 3)}`, y: steady });
  waiting = h("p", { class: "message", role: "status", hidden: true });
  $("play-stage").append(waiting);
  startForm();
  startStage();
  knobs();
  show();
  $("play-again").addEventListener("click", train);
  $("play-clear").addEventListener("click", clear);
  $("play-leave").addEventListener("click", leave);
  on("hello", hello);
  on("state end", readout);
  on("end", () => seen("play") && begin());
  on("moment", drawChart);
  on("function", take);
  onShow("play", () => {
    readout();
    drawChart();
    begin();
  });
}
