// View 4: the function. A curve, decision regions, a pad to draw on, or numbers to fill in.

import { showLayers } from "./activations.js";
import { showDependence, startDependence } from "./dependence.js";
import { $, h, settled, toast, write } from "./dom.js";
import { Examples } from "./examples.js";
import { number, percent } from "./format.js";
import { shortcut } from "./keys.js";
import { legend } from "./legend.js";
import { Pad, pictureOf } from "./pad.js";
import { FunctionPlot } from "./plot.js";
import { getJson, oneAtATime, post } from "./requests.js";
import { className, known, on } from "./store.js";
import { onTheme } from "./theme.js";
import { onShow, seen } from "./views.js";

const EVERY = 1000; // milliseconds between looks at a function that learns
const FIELDS = 64; // inputs that are offered as fields

let plot;
let pad;
let kind = null;
let size = [28, 28];
let step = -1; // of the weights that are shown
let truth = null; // the label of the example on the pad
let target = null; // of the example in the fields, as long as nobody has changed them

const about = {
  curve: "The network's answer over its one input, and the data it learns from.",
  regions: "What the network answers at every place of its two inputs.",
  image: "Draw, or take an example of the data, and the network reads it at once, layer by layer.",
  numbers: "What the network answers for the numbers you give.",
  table: "How the prediction changes with a column: the mean over rows if all had this value, and each row by itself.",
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
  kind = found.kind === "numbers" && inputs > FIELDS ? "none" : found.kind;
  step = known.run.step ?? 0;
  write($("function-about"), about[kind]);
  $("function-plot").hidden = kind !== "curve" && kind !== "regions";
  $("function-pad").hidden = kind !== "image";
  $("function-numbers").hidden = kind !== "numbers";
  $("function-table").hidden = kind !== "table";
  $("function-none").hidden = kind !== "none";
  if (kind === "curve" || kind === "regions") draw(found);
  else if (kind === "image") image(found.shape);
  else if (kind === "numbers") fields(inputs);
  else if (kind === "table") showDependence();
  else write($("function-none"), found.why ?? "This function cannot be drawn.");
}

function draw(found) {
  plot.set(found);
  legend($("function-legend"), plot.keys());
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

const MOST_BARS = 12;

function image(shape) {
  const { digits, classes } = known.hello;
  size = shape;
  $("pad-seen").width = shape[1];
  $("pad-seen").height = shape[0];
  write($("pad-title"), digits ? "Draw a digit" : "Draw a picture");
  write(
    $("pad-words"),
    digits
      ? "What the network sees: scaled into a box of 20 × 20, its centre of mass in the middle of 28 × 28."
      : `What the network sees, in ${shape[0]} × ${shape[1]} pixels.`,
  );
  const bars = Math.min(classes ?? 0, MOST_BARS);
  if ($("pad-bars").children.length !== bars) {
    $("pad-bars").replaceChildren(
      ...Array.from({ length: bars }, (_, i) => h("li", {}, h("b", {}, short(i)), h("i", {}), h("span", {}, "–"))),
    );
  }
  const longest = Math.max(1, ...Array.from({ length: classes ?? 0 }, (_, i) => short(i).length));
  $("pad-bars").style.setProperty("--name", `${Math.min(12, Math.max(2, longest))}ch`);
  if (!$("pad-examples").children.length) {
    const put = ({ x, y }) => {
      if (!x) return;
      truth = y?.length === 1 ? y[0] : null;
      pad.show(x, size);
    };
    $("pad-examples").replaceChildren(...new Examples(put, { first: false }).parts);
  }
  predict();
}

/** A class's name on a bar: its number alone where it has no name. */
const short = (label) => known.hello.names?.[label] ?? String(label);

const predict = oneAtATime(async () => {
  const values = pad.picture?.values ?? pad.image(size, known.hello?.digits);
  if (!values) {
    blank();
    return;
  }
  try {
    const found = await post("predict", pad.picture ? { x: values } : { x: values, drawn: true });
    if (!pad.strokes.length && !pad.picture) return;
    seeing(found.x ?? values);
    bars(found.y);
    showLayers($("pad-layers"), found.layers);
    write($("pad-truth"), pad.picture && truth !== null && known.hello.classes ? `It is ${className(truth)}.` : " ");
  } catch (error) {
    if (known.connected) toast(error.message);
  }
});

function blank() {
  seeing(Array(size[0] * size[1]).fill(0));
  write($("pad-answer"), "–");
  write($("pad-truth"), " ");
  for (const row of $("pad-bars").children) {
    row.className = "";
    row.querySelector("i").style.setProperty("--p", "0");
    write(row.lastElementChild, "–");
  }
  showLayers($("pad-layers"), null);
}

function seeing(values) {
  const context = $("pad-seen").getContext("2d");
  context.drawImage(pictureOf(values, size), 0, 0);
}

function bars(probabilities) {
  const order = probabilities.map((_, i) => i);
  if (order.length > MOST_BARS) order.sort((a, b) => probabilities[b] - probabilities[a]);
  const best = probabilities.indexOf(Math.max(...probabilities));
  order.slice(0, $("pad-bars").children.length).forEach((label, i) => {
    const row = $("pad-bars").children[i];
    row.className = label === best ? "best" : "";
    write(row.firstElementChild, short(label));
    row.querySelector("i").style.setProperty("--p", String(probabilities[label]));
    write(row.lastElementChild, percent(probabilities[label], 1));
  });
  write($("pad-answer"), known.hello.classes ? short(best) : number(probabilities[0]));
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
  startDependence();
  plot = new FunctionPlot($("function-stage"), "function");
  plot.name = className;
  pad = new Pad($("pad"), "function", () => (pad.strokes.length || pad.picture || blank(), predict()));
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
    legend($("function-legend"), []);
    $("pad-examples").replaceChildren();
    pad.clear();
    step = -1;
    if (seen("function")) load();
  });
  on("function", (event) => seen("function") && (kind === "curve" || kind === "regions") && take(event));
  setInterval(live, EVERY);
  onShow("function", load);
}
