// View 5 for a table: a form with a row's values, what the model says of it, and what moved that.

import { $, h, icon, settled, toast, write } from "./dom.js";
import { count, percent } from "./format.js";
import { beginMoved, chooseOutput, showMoved, startMoved } from "./moved.js";
import { RowForm } from "./rowform.js";
import { getJson, oneAtATime, post } from "./requests.js";
import { known, on } from "./store.js";
import { byImportance, outputWords, table } from "./table.js";
import { onShow, seen } from "./views.js";

const MOST_BARS = 12;
const MANY = 24; // columns, from which those that matter most come first

let form = null;
let shown = ""; // for which model the form is
let index = 0; // of the row of the table; null: the typical row
let truth = null; // its target
let first = null; // the outputs for the row as it is in the table

// -- answers -------------------------------------------------------------------------------------------

const answer = oneAtATime(async () => {
  if (!known.connected || !form) return;
  const { row, faults } = form;
  if (Object.keys(faults).length) return wrong(faults);
  try {
    const found = await post("predict", { row });
    if (found.faults) return wrong(found.faults);
    form.mark({});
    if (!form.changed) first = found.outputs;
    said(found.outputs);
    explain(row);
  } catch (error) {
    if (known.connected) toast(error.message);
  }
});

const explain = settled((row) => showMoved(row), 200);

function wrong(faults) {
  form.mark(faults);
  write($("trial-answer"), "–");
  write($("trial-hint"), `Mend ${Object.keys(faults).join(", ")}: ${Object.values(faults)[0]}.`);
  $("trial-bars").classList.add("old");
}

function said(outputs) {
  const { kind, outputs: names } = table();
  $("trial-bars").classList.remove("old");
  if (kind === "classes") bars(outputs, names);
  else if (kind === "quantiles") interval(outputs, names);
  else values(outputs, names);
  const is = truth === null ? [] : [`It is ${truth}.`];
  const was = form.changed && first ? [`As it was: ${before(first)}.`] : [];
  write($("trial-hint"), [...is, ...was].join(" ") || " ");
}

function before(outputs) {
  const { kind, outputs: names } = table();
  if (kind !== "classes") return outputWords(outputs[kind === "quantiles" ? outputs.length >> 1 : 0]);
  const best = outputs.indexOf(Math.max(...outputs));
  return `${names[best]} ${percent(outputs[best], 1)}`;
}

function bars(outputs, names) {
  const order = outputs.map((_, i) => i);
  if (order.length > MOST_BARS) order.sort((a, b) => outputs[b] - outputs[a]);
  const best = outputs.indexOf(Math.max(...outputs));
  const row = (i) =>
    h(
      "li",
      { class: i === best ? "best" : null, title: names[i] },
      h("b", {}, names[i]),
      h("i", { style: `--p: ${outputs[i]}` }),
      h("span", {}, percent(outputs[i], 1)),
    );
  const longest = Math.max(...names.map((name) => name.length));
  $("trial-bars").style.setProperty("--name", `${Math.min(26, Math.max(4, longest + 1))}ch`);
  $("trial-bars").replaceChildren(...order.slice(0, MOST_BARS).map(row));
  write($("trial-answer"), names[best]);
}

function values(outputs, names) {
  write($("trial-answer"), names.length === 1 ? outputWords(outputs[0]) : " ");
  const row = (value, i) => h("li", { class: "value" }, h("b", {}, names[i]), h("span", {}, outputWords(value)));
  $("trial-bars").replaceChildren(...(names.length > 1 ? outputs.map(row) : []));
}

/** The middle quantile large, and the lowest and highest as an interval around it. */
function interval(outputs, names) {
  const [low, high, middle] = [outputs[0], outputs.at(-1), outputs[outputs.length >> 1]];
  write($("trial-answer"), outputWords(middle));
  const at = (v) => `${high > low ? (100 * (v - low)) / (high - low) : 50}%`;
  $("trial-bars").replaceChildren(
    h(
      "li",
      { class: "interval" },
      h("div", { class: "track" }, ...outputs.map((v, i) => h("i", { style: `--at: ${at(v)}`, title: `${names[i]}: ${outputWords(v)}` }))),
      h("p", { class: "between" }, ...[0, outputs.length - 1].map((i) => h("span", {}, `${percent(Number(names[i]), 0)} below ${outputWords(outputs[i])}`))),
    ),
  );
}

// -- rows ----------------------------------------------------------------------------------------------

const go = oneAtATime(async (wanted) => {
  const { rows } = table();
  index = rows ? Math.max(0, Math.min(rows - 1, Math.round(wanted) || 0)) : 0;
  try {
    const found = await getJson("example", { set: "train", example: index });
    const input = $("trial-index");
    if (input) input.value = String(index);
    truth = found.truth;
    first = null;
    form.take(found.row);
    await answer();
  } catch (error) {
    if (known.connected) toast(error.message);
  }
});

function stepper() {
  const { rows, source } = table();
  const again = h("button", { type: "button", onclick: () => go(index) }, "As it was");
  if (!rows) return [again];
  const button = (name, words, by) => h("button", { type: "button", class: "icon", "aria-label": words, onclick: () => go(index + by) }, icon(name));
  const field = h("input", { id: "trial-index", type: "number", min: 0, max: rows - 1, value: 0, "aria-label": "Row", title: `0 – ${count(rows - 1)}` });
  field.addEventListener("input", settled(() => field.value && go(Number(field.value)), 250));
  return [
    h("label", {}, `Row of ${source}`),
    h("div", { class: "stepper" }, button("minus", "Row before", -1), field, button("plus", "Next row", 1)),
    again,
  ];
}

/** The form of another model. */
function begin() {
  const { columns, target } = table();
  shown = JSON.stringify([known.hello.label, columns.map((c) => c.name)]);
  const soon = settled(answer, 60);
  const order = byImportance().map((name) => columns.find((c) => c.name === name));
  form = new RowForm($("trial-form"), columns.length > MANY ? order : columns, soon);
  write($("trial-target"), target);
  $("trial-rows").replaceChildren(...stepper());
  beginMoved();
  go(0);
}

function show() {
  if (!table() || !known.connected) return;
  if (shown !== JSON.stringify([known.hello.label, table().columns.map((c) => c.name)])) begin();
}

export function startTrial() {
  startMoved();
  $("trial-form").addEventListener("submit", (event) => event.preventDefault());
  $("trial-bars").addEventListener("click", (event) => {
    const name = event.target.closest("li")?.title;
    const at = table().outputs.indexOf(name);
    if (at >= 0) chooseOutput(at);
  });
  on("hello", () => {
    shown = "";
    if (seen("play")) show();
  });
  onShow("play", show);
}
