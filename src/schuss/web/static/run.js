// View 1: the run. Loss, accuracy, speed, time left; and the controls.

import { $, choice, h, settled, write } from "./dom.js";
import { count, duration, isShare, metricName, metricValue, number, percent, percents, steady, ticks } from "./format.js";
import { shortcut } from "./keys.js";
import { legend } from "./legend.js";
import { LineChart } from "./linechart.js";
import { byEpoch, curve, groupName, last, mainMetric, rates } from "./series.js";
import { known, on } from "./store.js";
import { steer, steerable } from "./status.js";
import { onShow, seen } from "./views.js";

let lossChart;
let metricChart;
let ratesChart;
let rateHeld = false; // while the slider is moved, the server's value does not move it back

// -- tiles ---------------------------------------------------------------------------------------------

function tiles() {
  const { run, hello } = known;
  write($("tile-loss"), steady(run.loss ?? lastOf("loss") ?? known.moments.at(-1)?.loss));
  write($("tile-loss-sub"), heldOut("loss"));
  metricTile();
  write($("tile-speed"), count(speed()));
  const over = run.finished || hello?.mode === "view";
  write($("tile-left-name"), over ? "Time taken" : "Time left");
  write($("tile-left"), duration(over ? taken() : run.left));
  const epochs = run.epoch ? `${count(run.epoch)} epoch${run.epoch === 1 ? "" : "s"}` : " ";
  write($("tile-left-sub"), over ? epochs : run.paused ? "paused" : `${duration(taken())} so far`);
}

function metricTile() {
  const name = mainMetric(known);
  if (name) {
    write($("tile-metric-name"), `Training ${metricName(name).toLowerCase()}`);
    write(
      $("tile-metric"),
      metricValue(name, known.run.metrics?.[name] ?? lastOf(name) ?? known.moments.at(-1)?.metrics?.[name]),
    );
    write($("tile-metric-sub"), heldOut(name));
  } else if (known.quality) {
    const { r2, mae, r2_test: r2Test, mae_test: maeTest } = known.quality;
    const main = r2 ?? r2Test ?? null;
    write($("tile-metric-name"), main === null ? "Mean absolute error" : "R², training");
    write($("tile-metric"), main === null ? steady(mae) : share(r2));
    const test = maeTest === undefined ? "" : main === null ? ` · test ${steady(maeTest)}` : ` · test R² ${share(r2Test)}`;
    write($("tile-metric-sub"), main === null ? test : `MAE ${steady(mae, 3)}${test}`);
  } else {
    write($("tile-metric-name"), "Learning rate");
    write($("tile-metric"), number(known.run.lr, 3));
    write($("tile-metric-sub"), groupWords() || " ");
  }
}

/** The groups' rates now: head 0.01 · body 0.001; "" where there are none. */
function groupWords() {
  const groups = Object.entries(known.run.rates ?? {}).filter(([column]) => column !== "lr");
  return groups.map(([column, value]) => `${groupName(column)} ${number(value, 3)}`).join(" · ");
}

/** R² is 1 at best: as many digits as tell it from that. */
const share = (r2) => (r2 === null || r2 === undefined ? "–" : r2 > -10 ? r2.toFixed(4).replace("-", "−") : number(r2, 3));

/** What is known of a figure on rows that training does not see: validation 0.0812 · test 0.0795. */
function heldOut(name) {
  const values = { validation: lastOf(`val_${name}`), test: known.test[name] ?? null };
  const parts = Object.entries(values).filter(([, value]) => value !== null);
  return parts.map(([words, value]) => `${words} ${metricValue(name, value)}`).join(" · ") || " ";
}

const lastOf = (name) => last(known, name);

const taken = () => known.moments.at(-1)?.seconds ?? known.history.seconds?.reduce((a, b) => a + b, 0) ?? null;

/** Examples a second: now, or over the whole of a run that is finished. */
function speed() {
  const { run, hello } = known;
  if (run.speed || !run.finished || run.paused) return run.speed;
  return taken() ? ((hello?.rows ?? 0) * (run.step / run.steps || 1) * (hello?.epochs ?? 0)) / taken() || null : null;
}

// -- charts --------------------------------------------------------------------------------------------

function charts() {
  if (!seen("run")) return;
  const marks = known.changes.map((c) => ({ x: c.epoch, text: changeWords(c) }));
  const total = known.hello?.epochs ?? null;
  both(lossChart, $("loss-legend"), "loss", marks, total);
  const name = mainMetric(known);
  $("metric-card").hidden = !name && !known.moments.length;
  if (name) {
    write($("metric-title"), metricName(name));
    metricChart.options.name = metricName(name);
    metricChart.options.ceiling = isShare(name) ? 1 : null;
    metricChart.options.ticks = isShare(name) ? percents : ticks;
    metricChart.options.y = (v) => metricValue(name, v);
    both(metricChart, $("metric-legend"), name, marks, total);
  } else {
    write($("metric-title"), "Learning rate");
    metricChart.options.name = "Learning rate";
    metricChart.set(rates(known).slice(0, 1), marks, total);
  }
  groupRates(marks, total);
}

/** The rate of each group of parameters, where the optimizer has groups. */
function groupRates(marks, total) {
  const series = rates(known);
  $("rates-card").hidden = series.length < 2;
  if (series.length < 2) return;
  legend($("rates-legend"), series);
  ratesChart.set(series, marks, total);
  const now = series.map(({ name, points }) => `${name} ${number(points.at(-1)?.[1], 3)}`);
  if (ratesChart.cursor === null) ratesChart.sketch.describe(`Learning rates over the epochs; now ${now.join(", ")}`);
}

/** The charts show the same epochs. */
function alike(chart, zoom) {
  if (JSON.stringify(chart.zoom) !== JSON.stringify(zoom)) chart.show(zoom);
}

function both(chart, host, name, marks, total) {
  const check = byEpoch(known, `val_${name}`);
  const series = [{ name: "Training", colour: "accent", points: curve(known, name) }];
  if (check.length) series.push({ name: "Validation", colour: "cool", points: check, dots: check.length < 40 });
  legend(host, series);
  chart.set(series, marks, total);
  const [, last] = series[0].points.at(-1) ?? [0, null];
  if (chart.cursor === null)
    chart.sketch.describe(`${metricName(name)} over the epochs; now ${metricValue(name, last)}`);
}

// -- controls ------------------------------------------------------------------------------------------

function controls() {
  const { run, hello } = known;
  const share = run.steps ? run.step / run.steps : run.finished ? 1 : 0;
  $("progress").firstElementChild.style.transform = `scaleX(${Math.min(1, share)})`;
  $("progress").setAttribute("aria-valuenow", String(Math.round(100 * share)));
  const epochs = run.epochs ?? hello?.epochs;
  write(
    $("progress-epoch"),
    epochs ? `Epoch ${count(Math.min((run.epoch ?? 0) + (run.finished ? 0 : 1), epochs))} of ${count(epochs)}` : " ",
  );
  write($("progress-step"), run.steps ? `Step ${count(run.step)} of ${count(run.steps)}` : " ");
  $("stop").disabled = $("rate").disabled = !steerable();
  if (!rateHeld) rate();
  const hint = run.finished
    ? "The run is finished. Its pictures stay."
    : hello?.mode === "view"
      ? "This run is finished; open one in training to steer it."
      : "Whatever you change is written into the run's history.";
  write($("controls-hint"), hello ? hint : " ");
}

function rate() {
  const { lr } = known.run;
  const slider = $("rate");
  write($("rate-shown"), number(lr, 3));
  const what = { runs: ", by schedule", held: ", held", scaled: ", schedule × yours" }[known.run.schedule] ?? "";
  write($("rate-name"), `Learning rate${what}`);
  $("hold-label").hidden = !known.run.schedule;
  const groups = groupWords();
  $("rate-groups").hidden = !groups;
  write($("rate-groups"), groups);
  if (!(lr > 0)) return;
  if (lr > 10 ** slider.max) slider.max = String(Math.ceil(Math.log10(lr))); // otherwise the range never moves
  write($("rate-low"), number(10 ** slider.min));
  write($("rate-high"), number(10 ** slider.max));
  slider.value = String(Math.log10(lr));
  slider.setAttribute("aria-valuetext", number(lr, 3));
}

function changeWords(c) {
  const plain = { pause: "Paused", resume: "Resumed", step: "One step", stop: "Stopped" };
  const held = c.held ? ", held" : "";
  return c.what === "lr" ? `Rate ${number(c.from, 3)} → ${number(c.to, 3)}${held}` : (plain[c.what] ?? c.what);
}

function changes() {
  const rows = known.changes.slice(-200).reverse();
  $("changes").replaceChildren(
    ...(rows.length
      ? rows.map((c) => h("li", {}, h("b", {}, changeWords(c)), h("span", {}, `step ${count(c.step)}`)))
      : [h("li", { class: "none" }, "None so far.")]),
  );
}

/** Whether a rate set by hand stays, whatever the schedule says. */
const hold = () => $("hold").checked || !known.run.schedule;

function startRate() {
  const slider = $("rate");
  let pressed = false;
  const release = settled(() => (rateHeld = pressed), 650); // the next states may still tell the old one
  const send = settled(() => steer(hold() ? "lr" : "scale", Number((10 ** Number(slider.value)).toPrecision(3))).then(release), 250);
  slider.addEventListener("pointerdown", () => (pressed = rateHeld = true));
  for (const name of ["pointerup", "pointercancel", "lostpointercapture"])
    addEventListener(name, () => pressed && ((pressed = false), release()));
  slider.addEventListener("input", () => {
    rateHeld = true;
    const words = number(Number((10 ** Number(slider.value)).toPrecision(3)));
    write($("rate-shown"), words);
    slider.setAttribute("aria-valuetext", words);
    send();
  });
}

function head() {
  const { hello } = known;
  if (!hello) return;
  $("view-run").classList.toggle("finished", hello.mode === "view"); // nothing to steer: the charts take its place
  $("run-side").hidden = hello.mode === "view";
  write($("run-title"), hello.model ?? "A model");
  const parts = [
    hello.label,
    hello.parameters && `${count(hello.parameters)} parameters`,
    ...(hello.table ? rowsOfTable(hello.table) : rowsOf(hello)),
  ];
  write($("run-about"), parts.filter(Boolean).join(" · ") || " ");
}

const rowsOf = ({ rows, rows_test: test, trained }) => [
  (rows || trained) && `${count(rows || trained)} training rows`,
  test && `${count(test)} test rows`,
];

const rowsOfTable = ({ trained, rows, source }) => [
  trained && `${count(trained)} training rows`,
  rows && `looked at by ${count(rows)} rows of ${source}`,
];

function everything() {
  tiles();
  controls();
  charts();
}

export function startRun() {
  const empty = () =>
    known.hello?.mode === "view" ? "The file keeps no history of its training." : "It begins with the first steps.";
  const words = { x: (v) => `Epoch ${number(v, 3)}`, y: steady, empty };
  lossChart = new LineChart($("loss-chart"), "run", { name: "Loss", ...words });
  metricChart = new LineChart($("metric-chart"), "run", { name: "Accuracy", ...words, y: percent });
  ratesChart = new LineChart($("rates-chart"), "run", { name: "Learning rate", ...words, y: (v) => number(v, 3) });
  const all = [lossChart, metricChart, ratesChart];
  for (const chart of all) chart.options.zoomed = (zoom) => all.forEach((other) => other !== chart && alike(other, zoom));
  const looks = () => {
    const smooth = Number($("smooth").value);
    write($("smooth-shown"), smooth ? smooth.toFixed(2) : "off");
    for (const chart of [lossChart, metricChart]) chart.choose({ smooth });
    lossChart.choose({ clip: $("clip").checked });
  };
  $("smooth").addEventListener("input", looks);
  $("clip").addEventListener("change", looks);
  const scale = choice(
    $("loss-scale"),
    [
      ["linear", "Linear"],
      ["log", "Log"],
    ],
    "linear",
    (v) => lossChart.setLog(v === "log"),
  );
  shortcut(
    "l",
    "Loss: linear or logarithmic",
    () => {
      lossChart.setLog(!lossChart.log);
      scale(lossChart.log ? "log" : "linear");
    },
    "run",
  );
  startRate();
  $("stop").addEventListener("click", () => confirmStop());
  changes();
  on("hello", () => (head(), changes(), everything()));
  on("state end connection", () => (tiles(), controls()));
  on("moment epoch curve", charts);
  on("test quality", tiles);
  on("change", () => (changes(), charts()));
  onShow("run", everything);
}

/** Stop asks once more, in the button itself: a second press within three seconds stops. */
let asked = 0;
function confirmStop() {
  const words = $("stop").querySelector("span");
  if (Date.now() - asked < 3000) {
    asked = 0;
    write(words, "Stop training");
    steer("stop");
    return;
  }
  asked = Date.now();
  write(words, "Press again to stop");
  setTimeout(() => asked && Date.now() - asked >= 2990 && write(words, "Stop training"), 3000);
}
