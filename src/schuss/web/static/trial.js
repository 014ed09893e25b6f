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
const MANY = 24; // columns: of more those that matter most come first, and so many are shown at once

let form = null;
let shown = ""; // for which model the form is
let index = 0; // of the row of the table; null: the typical row
let truth = null; // its targets; null where the table has none
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
    explain(row, table().kind === "classes" ? best(found.outputs) : null);
  } catch (error) {
    if (known.connected) toast(error.message);
  }
});

const explain = settled(showMoved, 200);
const best = (outputs) => outputs.indexOf(Math.max(...outputs));

function wrong(faults) {
  form.mark(faults);
  write($("trial-answer"), "–");
  write($("trial-hint"), `Mend ${Object.entries(faults).map(([name, what]) => `${name}: ${what}`).join("; ")}.`);
  for (const id of ["trial-bars", "moved-sum", "moved-lines"]) $(id).classList.add("old");
}

function said(outputs) {
  const { kind, outputs: names } = table();
  for (const id of ["trial-bars", "moved-sum", "moved-lines"]) $(id).classList.remove("old");
  const show = { classes: bars, labels, quantiles: interval, values }[kind];
  show(outputs, names);
  const is = truth === null || truth.length > 1 ? [] : [`In the table: ${truthWords(truth[0])}.`]; // of several it stands beside each
  const was = form.changed && first ? [`As it was: ${before(first)}.`] : [];
  write($("trial-hint"), [...is, ...was].join(" ") || " ");
}

const truthWords = (value) => (value === null ? "not known" : typeof value === "number" ? outputWords(value) : value);

function before(outputs) {
  const { kind, titles: names } = table();
  if (kind === "classes") return `${names[best(outputs)]} ${percent(outputs[best(outputs)], 1)}`;
  if (kind === "quantiles") return outputWords(outputs[outputs.length >> 1]);
  return outputs.length === 1 ? outputWords(outputs[0]) : outputs.map((v, i) => `${names[i]} ${outputWords(v)}`).join(", ");
}

/** What an output's target is, where several stand below each other. */
const truthOf = (i) => (truth === null ? null : h("small", {}, `, in the table ${truthWords(truth[i])}`));

/** A bar for each probability; those in `likely` stand out. */
function shareBars(outputs, likely, note = () => null) {
  const { titles: names } = table();
  const order = outputs.map((_, i) => i);
  if (order.length > MOST_BARS) order.sort((a, b) => outputs[b] - outputs[a]);
  const row = (i) =>
    h(
      "li",
      { class: likely.includes(i) ? "best" : null, title: names[i], "data-output": i },
      h("b", {}, names[i], note(i)),
      h("i", { style: `--p: ${outputs[i]}` }),
      h("span", {}, percent(outputs[i], 1)),
    );
  const longest = Math.max(...names.map((name, i) => name.length + (note(i)?.textContent.length ?? 0)));
  $("trial-bars").style.setProperty("--name", `${Math.min(36, Math.max(4, longest + 1))}ch`);
  $("trial-bars").replaceChildren(...order.slice(0, MOST_BARS).map(row));
}

function bars(outputs, names) {
  shareBars(outputs, [best(outputs)]);
  write($("trial-answer"), names[best(outputs)]);
}

/** Each label by itself: those that are more likely than not are the answer. */
function labels(outputs, names) {
  const likely = outputs.map((_, i) => i).filter((i) => outputs[i] > 0.5);
  shareBars(outputs, likely, truthOf);
  write($("trial-answer"), likely.map((i) => names[i]).join(", ") || "none");
}

function values(outputs, names) {
  const row = (value, i) => h("li", { class: "value", title: names[i], "data-output": i }, h("b", {}, names[i], truthOf(i)), h("span", {}, outputWords(value)));
  write($("trial-answer"), names.length === 1 ? outputWords(outputs[0]) : " ");
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
  form = new RowForm($("trial-form"), columns.length > MANY ? order : columns, soon, MANY);
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
    const at = event.target.closest("li")?.dataset.output;
    if (at !== undefined) chooseOutput(Number(at));
  });
  on("hello", () => {
    shown = "";
    if (seen("play")) show();
  });
  onShow("play", show);
}
