// View 4: the function. A curve, decision regions, a pad to draw on, or numbers to fill in.

import { showLayers } from "./activations.js";
import { $, h, settled, toast, write } from "./dom.js";
import { Examples } from "./examples.js";
import { number, percent } from "./format.js";
import { shortcut } from "./keys.js";
import { Pad } from "./pad.js";
import { FunctionPlot, legendOf } from "./plot.js";
import { getJson, oneAtATime, post } from "./requests.js";
import { className, known, on } from "./store.js";
import { onTheme, palette } from "./theme.js";
import { onShow, seen } from "./views.js";

const EVERY = 1000; // milliseconds between looks at a function that learns
const FIELDS = 64; // inputs that are offered as fields

let plot;
let pad;
let kind = null;
let size = [28, 28];
let step = -1; // of the weights that are shown
let target = null; // of the example in the fields, as long as nobody has changed them

const about = {
  curve: "The network's answer over its one input, and the data it learns from.",
  regions: "What the network answers at every place of its two inputs.",
  image: "Draw, and the network reads it at once, layer by layer.",
  numbers: "What the network answers for the numbers you give.",
  none: " ",
};

// -- what is shown -------------------------------------------------------------------------------------

const load = oneAtATime(async () => {
  if (!known.connected || !known.hello) return;
  try {
    take(await getJson("function"));
  } catch (error) {
    if (known.connected) toast(error.message);
  }
});

function take(found) {
  const inputs = known.hello.inputs?.length === 1 ? known.hello.inputs[0].reduce((a, b) => a * b, 1) : 0;
  kind = found.kind === "none" && inputs > 0 && inputs <= FIELDS ? "numbers" : found.kind;
  step = known.run.step ?? 0;
  write($("function-about"), about[kind]);
  $("function-plot").hidden = kind !== "curve" && kind !== "regions";
  $("function-pad").hidden = kind !== "image";
  $("function-numbers").hidden = kind !== "numbers";
  $("function-none").hidden = kind !== "none";
  if (kind === "curve" || kind === "regions") draw(found);
  else if (kind === "image") image(found.shape);
  else if (kind === "numbers") fields(inputs);
  else write($("function-none"), found.why ?? "This function cannot be drawn.");
}

function draw(found) {
  plot.set(found);
  const keys = legendOf(found, palette().dark).map(([words, colour, dashed]) =>
    h("span", {}, h("i", { style: `--key: ${colour}`, class: dashed ? "dashed" : null }), words),
  );
  $("function-legend").replaceChildren(...keys);
}

/** While the run goes on, what is shown learns. */
function live() {
  if (!seen("function") || (known.run.step ?? 0) === step) return;
  if (kind === "image") predict();
  else if (kind === "numbers") answer();
  else load();
  step = known.run.step ?? 0;
}

// -- digits --------------------------------------------------------------------------------------------

function image(shape) {
  size = shape;
  $("pad-seen").width = shape[1];
  $("pad-seen").height = shape[0];
  const classes = known.hello.classes ?? 0;
  if ($("pad-bars").children.length !== classes) {
    $("pad-bars").replaceChildren(
      ...Array.from({ length: classes }, (_, i) => h("li", {}, h("b", {}, String(i)), h("i", {}), h("span", {}, "–"))),
    );
  }
  predict();
}

const predict = oneAtATime(async () => {
  const values = pad.image(size);
  if (!values) {
    blank();
    return;
  }
  try {
    const found = await post("predict", { x: values, centre: true });
    if (!pad.strokes.length) return;
    seeing(found.x ?? values);
    bars(found.y);
    showLayers($("pad-layers"), found.layers);
  } catch (error) {
    if (known.connected) toast(error.message);
  }
});

function blank() {
  seeing(Array(size[0] * size[1]).fill(0));
  write($("pad-answer"), "–");
  for (const row of $("pad-bars").children) {
    row.className = "";
    row.querySelector("i").style.setProperty("--p", "0");
    write(row.lastElementChild, "–");
  }
  showLayers($("pad-layers"), null);
}

function seeing(values) {
  const context = $("pad-seen").getContext("2d");
  const pixels = context.createImageData(size[1], size[0]);
  const top = Math.max(...values, 1) > 1 ? 255 : 1;
  values.forEach((v, i) => pixels.data.set([0, 1, 2].map(() => (255 * v) / top).concat(255), 4 * i));
  context.putImageData(pixels, 0, 0);
}

function bars(probabilities) {
  const best = probabilities.indexOf(Math.max(...probabilities));
  probabilities.forEach((p, i) => {
    const row = $("pad-bars").children[i];
    if (!row) return;
    row.className = i === best ? "best" : "";
    row.querySelector("i").style.setProperty("--p", String(p));
    write(row.lastElementChild, percent(p, 1));
  });
  write($("pad-answer"), String(best));
}

// -- numbers -------------------------------------------------------------------------------------------

/** The fields begin with an example of the data, and any other can be put into them. */
function fields(count) {
  const form = $("function-numbers");
  if (form.querySelectorAll("label input.x").length === count) return answer();
  form.replaceChildren(
    h("div", { class: "toolbar" }, ...new Examples(fill).parts),
    ...Array.from({ length: count }, (_, i) =>
      h("label", {}, `Input ${i + 1}`, h("input", { class: "x", type: "number", step: "any", value: "0" })),
    ),
    h("output", { "aria-live": "polite" }),
  );
}

function fill({ x, y }) {
  const inputs = $("function-numbers").querySelectorAll("input.x");
  x?.forEach((value, i) => inputs[i] && (inputs[i].value = String(Number(value.toPrecision(6)))));
  target = y ?? null;
  answer();
}

const answer = oneAtATime(async () => {
  const form = $("function-numbers");
  const x = [...form.querySelectorAll("input.x")].map((input) => Number(input.value) || 0);
  try {
    const { y } = await post("predict", { x });
    const words =
      known.hello.task === "classes" ? y.map((p, i) => `${className(i)}: ${percent(p, 1)}`) : y.map((v) => number(v));
    const is = known.hello.task === "classes" ? (i) => `it is ${className(i)}` : (v) => `target ${number(v)}`;
    form
      .querySelector("output")
      .replaceChildren(
        ...words.map((text) => h("span", {}, text)),
        ...(target ?? []).slice(0, 8).map((v) => h("span", { class: "target" }, is(v))),
      );
  } catch (error) {
    if (known.connected) toast(error.message);
  }
});

export function startFunction() {
  plot = new FunctionPlot($("function-stage"), "function");
  pad = new Pad($("pad"), "function", () => (pad.strokes.length || blank(), predict()));
  $("pad-clear").addEventListener("click", () => pad.clear());
  $("pad-undo").addEventListener("click", () => pad.undo());
  $("function-numbers").addEventListener(
    "input",
    settled((event) => event.target.matches(".x") && ((target = null), answer()), 120),
  );
  $("function-numbers").addEventListener("submit", (event) => event.preventDefault());
  shortcut("c", "Clear the pad", () => kind === "image" && pad.clear(), "function");
  showLayers($("pad-layers"), null);
  onTheme(() => plot.found && draw(plot.found));
  on("hello", () => {
    kind = null; // another network: what was drawn is not its function
    plot.set(null);
    $("function-legend").replaceChildren();
    step = -1;
    if (seen("function")) load();
  });
  on("function", (event) => seen("function") && (kind === "curve" || kind === "regions") && take(event));
  setInterval(live, EVERY);
  onShow("function", load);
}
