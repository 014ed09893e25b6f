// Which columns moved the prediction of one row, as bars sorted by size.

import { $, choice, h, toast, write } from "./dom.js";
import { number } from "./format.js";
import { oneAtATime, post } from "./requests.js";
import { known } from "./store.js";
import { areShares, changeWords, firstOutput, OUTPUTS, outputWords, rowsWords, table } from "./table.js";

const MOST = 12; // columns shown

const MEASURES = [
  ["shapley", "Shapley values"],
  ["slope", "Gradients"],
];
const ABOUT = {
  shapley: () =>
    `What the prediction changes by where a column takes this row's value: the mean over random orders of the columns and ${rowsWords("the")}. They sum to the difference above; ± is the standard error of the draws.`,
  slope: () =>
    "The prediction's gradient here, times how far the column lies from its median or most frequent level. It sees the model around this row alone, and no slope in a category of many levels.",
};

let measure = "shapley";
let output = 0;
let row = null;
let found = null;
let whole = false; // whether all columns are shown
let picked = false; // whether a person has chosen the output

/** Another row is looked at; likely: the class that the model takes it for, which is explained until one is chosen. */
export function showMoved(values, likely = null) {
  row = values;
  if (likely !== null && !picked && table().outputs.length > 2) {
    output = likely;
    $("moved-output").value = String(output);
  }
  ask();
}

const ask = oneAtATime(async () => {
  if (!known.connected || !table() || !row) return;
  $("moved-lines").classList.add("busy");
  try {
    const answer = await post("moved", { row, output });
    if (!answer.faults) {
      found = answer;
      draw();
    }
  } catch (error) {
    if (known.connected) toast(error.message);
  } finally {
    $("moved-lines").classList.remove("busy");
  }
});

/** A difference of predictions and its error in words, null where it has none. */
function change(value, error) {
  const shares = areShares();
  const [much, off] = error === null ? [number(shares ? 100 * value : value, 3), null] : changeWords(value, error);
  return [(value > 0 ? "+" : "") + much + (shares ? " pp" : ""), off];
}

function sum() {
  const { base, prediction, at_typical: typical } = found;
  const from = measure === "shapley" ? base : typical;
  const words = measure === "shapley" ? "on average" : "for the typical row";
  const of = areShares() ? [h("span", {}, `Probability of ${table().titles[found.output]}:`)] : [];
  $("moved-sum").replaceChildren(...of, h("span", {}, `${outputWords(from)} ${words}`), h("b", {}, "→"), h("span", {}, `${outputWords(prediction)} for this row`));
}

function draw() {
  if (!found) return;
  sum();
  const size = (line) => Math.abs(line[measure] ?? 0);
  const lines = found.lines.toSorted((a, b) => size(b) - size(a));
  const most = Math.max(...lines.map((line) => size(line) + (measure === "shapley" ? (line.error ?? 0) : 0)), 1e-12);
  const shown = whole ? lines : lines.slice(0, MOST);
  const more = h("li", {}, h("button", { type: "button", class: "plain", onclick: () => ((whole = true), draw()) }, `${lines.length - MOST} more`));
  $("moved-lines").replaceChildren(...shown.map((line) => bar(line, most)), ...(shown.length < lines.length ? [more] : []));
  write($("moved-note"), ABOUT[measure]());
}

const valueWords = (value) =>
  value === null ? "missing" : typeof value === "number" ? number(value) : value.replace(/^(\d{4}-\d\d-\d\d)T/, "$1 ");

function bar(line, most) {
  const value = line[measure];
  const share = (v) => (50 * Math.abs(v)) / most;
  const one = line.columns.length === 1;
  const name = one ? line.columns[0] : `${line.columns.length} other columns`;
  const style = value === null ? "" : `--from: ${value < 0 ? 50 - share(value) : 50}%; --long: ${share(value)}%; --at: ${50 + (value < 0 ? -1 : 1) * share(value)}%; --error: ${measure === "shapley" ? share(line.error ?? 0) : 0}%`;
  const kind = value === null || value === 0 ? "none" : value > 0 ? "up" : "down";
  const [much, off] = value === null ? ["no slope", null] : change(value, measure === "shapley" ? line.error : null);
  return h(
    "li",
    { class: kind, title: one ? `${name}: ${valueWords(line.value)}; typical is ${valueWords(line.typical)}` : line.columns.join(", ") },
    h("div", { class: "what" }, h("b", {}, name), one ? h("span", {}, valueWords(line.value)) : null),
    h("i", { style, "aria-hidden": "true" }),
    h("div", { class: "much" }, much, off === null ? null : h("small", {}, ` ± ${off}`)),
  );
}

/** Another model: its outputs to choose from. */
export function beginMoved() {
  const { titles, kind } = table();
  output = firstOutput();
  [found, whole, picked] = [null, false, false];
  $("moved-lines").replaceChildren();
  write($("moved-of"), OUTPUTS[kind]);
  $("moved-outputs").hidden = titles.length < 2;
  $("moved-output").replaceChildren(...titles.map((name, i) => h("option", { value: String(i) }, name)));
  $("moved-output").value = String(output);
}

/** Look at another output. */
export function chooseOutput(index) {
  picked = true;
  if (index === output) return;
  output = index;
  $("moved-output").value = String(index);
  ask();
}

export function startMoved() {
  choice($("moved-measure"), MEASURES, measure, (value) => {
    measure = value;
    draw();
  });
  $("moved-output").addEventListener("change", (event) => chooseOutput(Number(event.target.value)));
}
