// View 4 for a table: how the prediction depends on each column, and on pairs of them.

import { $, h, toast, write } from "./dom.js";
import { DependencePlot } from "./dependenceplot.js";
import { legend } from "./legend.js";
import { getJson, oneAtATime } from "./requests.js";
import { span } from "./scales.js";
import { known, on } from "./store.js";
import { areShares, byImportance, firstOutput, OUTPUTS, outputWords, rowsWords, table, tickWords } from "./table.js";
import { onTheme } from "./theme.js";

const FIRST = 24; // columns drawn small at once
const WAITS = "Computing …";

let plot;
let smalls = []; // {name, plot, found, wanted}
let watcher = null;
let shown = ""; // for which model the choices are
const kept = new Map(); // answers by question

const chosen = { column: "", with: "", output: 0 };

async function ask(question) {
  const key = JSON.stringify(question);
  if (!kept.has(key)) kept.set(key, await getJson("dependence", question));
  return kept.get(key);
}

// -- the large picture ---------------------------------------------------------------------------------

const load = oneAtATime(async () => {
  if (!known.connected || !table()) return;
  const stage = $("dependence-stage");
  stage.classList.add("busy");
  if (!plot.found) stage.dataset.waits = WAITS;
  try {
    take(await ask({ column: chosen.column, with: chosen.with, output: chosen.output }));
  } catch (error) {
    if (known.connected) toast(error.message);
  } finally {
    stage.classList.remove("busy");
    delete stage.dataset.waits;
  }
});

function take(found) {
  const { outputs, titles, target, kind } = table();
  const of = areShares() ? `probability of ${titles[found.output]}` : kind === "quantiles" ? `quantile ${outputs[found.output]} of ${target}` : outputs[found.output];
  const names = found.columns.map((c) => c.name).join(" and ");
  const words = kind === "values" ? of : `${of.charAt(0).toUpperCase()}${of.slice(1)}`; // a target is called as the table has it
  write($("dependence-title"), `${words} by ${names}`);
  write($("dependence-note"), `Over ${rowsWords(found.rows)}.${found.columns[0].line && found.columns.length === 1 ? " Strokes at the foot: a hundredth of the rows each." : ""}`);
  $("dependence-each").hidden = found.columns.length === 2;
  const levels = found.columns.length === 1 && !found.columns[0].line ? found.columns[0].values.length : 0;
  if (levels) $("dependence-stage").style.setProperty("--tall", `${Math.max(160, 60 + 44 * levels)}px`);
  else $("dependence-stage").style.removeProperty("--tall");
  plot.set(found, { each: $("dependence-curves").checked });
  legend($("dependence-legend"), plot.keys());
}

// -- all of them, small --------------------------------------------------------------------------------

const fillSmall = oneAtATime(async () => {
  for (;;) {
    const next = smalls.find((one) => one.wanted && one.output !== chosen.output);
    if (!next || !known.connected) return;
    const { output } = chosen;
    next.output = output;
    try {
      next.found = await ask({ column: next.name, output });
      waits(next, null);
      alike();
    } catch (error) {
      next.wanted = false;
      waits(next, "Could not be computed");
      if (known.connected) toast(error.message);
    }
  }
});

/** What a small picture says in place of numbers; null: nothing, it has them. */
function waits({ card, stage, found }, words) {
  card.setAttribute("aria-busy", String(words === WAITS));
  stage.classList.toggle("old", words !== null && Boolean(found));
  if (words === null || found) delete stage.dataset.waits;
  else stage.dataset.waits = words;
}

/** All small pictures have one scale, so that what matters is seen. */
function alike() {
  const drawn = smalls.filter((one) => one.found && one.output === chosen.output);
  const range = span(drawn.flatMap((one) => one.found.mean));
  for (const one of drawn) one.plot.set(one.found, { range });
}

function small(name) {
  const stage = h("div", { class: "stage" });
  const words = h("b", { title: name }, name);
  const card = h("button", { type: "button", class: "small", "aria-label": `${name}, large`, onclick: () => choose({ column: name }) }, words, stage);
  const one = { name, card, stage, plot: new DependencePlot(stage, "function", { small: true, words: outputWords, ticks: tickWords }), output: null, wanted: false };
  waits(one, WAITS);
  return one;
}

function showSmall(names) {
  watcher?.disconnect();
  watcher = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      const one = smalls.find(({ card }) => card === target);
      if (isIntersecting && one) one.wanted = true;
    }
    fillSmall();
  }, { rootMargin: "500px" });
  smalls = names.slice(0, FIRST).map(small);
  const rest = names.slice(FIRST);
  const more = h("button", { type: "button", hidden: !rest.length, onclick: () => (more.remove(), add(rest)) }, `${rest.length} more`);
  $("dependence-all").replaceChildren(...smalls.map((one) => one.card), more);
  for (const one of smalls) watcher.observe(one.card);
}

function add(names) {
  const made = names.map(small);
  smalls.push(...made);
  $("dependence-all").append(...made.map((one) => one.card));
  for (const one of made) watcher.observe(one.card);
}

// -- choices -------------------------------------------------------------------------------------------

function choose(change) {
  Object.assign(chosen, change);
  if (chosen.with === chosen.column) chosen.with = "";
  $("dependence-column").value = chosen.column;
  $("dependence-output").value = String(chosen.output);
  offerPairs();
  for (const { name, card } of smalls) card.setAttribute("aria-pressed", String(name === chosen.column));
  load();
  if (!("output" in change)) return;
  for (const one of smalls) if (one.output !== chosen.output) waits(one, WAITS);
  fillSmall();
}

const options = (pairs) => pairs.map(([value, text]) => h("option", { value }, text));

function offerPairs() {
  const others = byImportance().filter((name) => name !== chosen.column);
  $("dependence-with").replaceChildren(...options([["", "no other"], ...others.map((name) => [name, name])]));
  $("dependence-with").value = chosen.with;
}

/** The choices of another model. */
function begin() {
  const { titles, kind, target } = table();
  const names = byImportance();
  shown = JSON.stringify([known.hello.label, target, names]);
  kept.clear();
  Object.assign(chosen, { column: names[0], with: "", output: firstOutput() });
  $("dependence-column").replaceChildren(...options(names.map((name) => [name, name])));
  $("dependence-output").replaceChildren(...options(titles.map((name, i) => [String(i), name])));
  $("dependence-outputs").hidden = titles.length < 2;
  write($("dependence-of"), OUTPUTS[kind]);
  write($("dependence-scale"), "The means, on one scale. Choose one to see it large.");
  showSmall(names);
  choose({ output: chosen.output });
}

/** The view comes into sight. */
export function showDependence() {
  const names = byImportance();
  if (shown !== JSON.stringify([known.hello.label, table().target, names])) begin();
  else {
    load();
    fillSmall();
  }
}

export function startDependence() {
  plot = new DependencePlot($("dependence-stage"), "function", { words: outputWords, ticks: tickWords });
  $("dependence-form").addEventListener("submit", (event) => event.preventDefault());
  $("dependence-column").addEventListener("change", (event) => choose({ column: event.target.value }));
  $("dependence-with").addEventListener("change", (event) => choose({ with: event.target.value }));
  $("dependence-output").addEventListener("change", (event) => choose({ output: Number(event.target.value) }));
  $("dependence-curves").addEventListener("change", () => plot.found && take(plot.found));
  onTheme(() => plot.found && plot.sketch.redraw());
  on("hello", () => {
    shown = "";
    plot.set(null);
  });
}
