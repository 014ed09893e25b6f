// View 1 for a table: what its training measured, beside a linear and a trivial model, and what its columns are.

import { $, h } from "./dom.js";
import { count, number, plusMinus, withError } from "./format.js";
import { known, on } from "./store.js";

const BARS = 20;
const SCALED = "Errors over several targets are in standard deviations of each in training, and their mean.";
const ROWS = 30; // columns in the sheet at once

const upper = (text) => text.replace(/^./, (c) => c.toUpperCase());

const card = (name, ...content) => h("article", { class: "card" }, h("header", {}, h("h2", {}, name)), ...content);

function sheet(head, rows, classes = "") {
  const cells = (row, tag) => h("tr", {}, ...row.map((text) => h(tag, tag === "th" ? { scope: "col" } : {}, text)));
  return h(
    "div",
    { class: "sheet", tabindex: 0 },
    h("table", { class: classes }, h("thead", {}, cells(head, "th")), h("tbody", {}, ...rows.map((row) => cells(row, "td")))),
  );
}

function spread(line) {
  const [value, error] = withError(line.value, line.error);
  return h("span", {}, h("b", {}, value), error === null ? null : h("small", {}, ` ± ${error}`));
}

function metrics(report) {
  const shown = Object.values(report.metrics).map((line) => [upper(line.title), spread(line), number(line.linear), number(line.trivial)]);
  return card(
    `On ${report.on}`,
    sheet(["", "Model", "Linear", "Trivial"], shown, "numbers-right"),
    ...(Object.keys(report.metrics).some((name) => name.startsWith("scaled_")) ? [h("p", { class: "hint" }, SCALED)] : []),
    h("p", { class: "hint" }, "± is the standard error by rows. Linear: a linear model of the same rows; trivial: one answer for all."),
    h("p", { class: "verdict" }, `${report.verdict ?? ""}.`.replace(/^./, (c) => c.toUpperCase()).replaceAll("+-", "±").replaceAll(" -", " −")),
  );
}

/** Of several targets what was measured of each. */
function each({ targets, titles }) {
  const { main } = Object.values(targets)[0];
  const others = Object.keys(titles).filter((name) => name !== main);
  const rows = Object.entries(targets).map(([target, { metrics: of }]) => [
    target,
    spread(of[main]),
    number(of[main].linear),
    number(of[main].trivial),
    ...others.map((name) => number(of[name].value)),
  ]);
  const head = [upper(titles[main]), "Linear", "Trivial", ...others.map((name) => upper(titles[name]))];
  return card("Each target", sheet(["Target", ...head], rows, "numbers-right"));
}

function parts(list, main) {
  const rows = list.map((part) => [
    part.name,
    part.hidden?.length ? part.hidden.join(", ") : "–",
    part.epochs ? count(part.epochs) : "–",
    number(part.loss),
    weight(part.weight),
  ]);
  return card(
    "Parts of the answer",
    sheet(["Part", "Hidden", "Epochs", upper(main ?? "loss"), "Weight"], rows, "numbers-right parts"),
    h("p", { class: "hint" }, "Each kind of network has a member for each fold. The weights were found on rows held out."),
  );
}

const weight = (share) =>
  h("span", { class: "weight" }, h("i", { style: `--p: ${share}` }), share.toFixed(2));

function importance(list, main) {
  const words = list.map((one) => plusMinus(one.rise, one.error));
  const most = Math.max(...list.map((one) => one.rise), 1e-12);
  const longest = Math.max(...list.map((one) => one.columns.join(" + ").length));
  const rows = list.slice(0, BARS).map((one, i) =>
    h(
      "li",
      { title: one.columns.join(" + ") },
      h("b", {}, one.columns.join(" + ")),
      one.sure ? h("i", { style: `--p: ${Math.max(0, one.rise) / most}` }) : h("em", {}, "may be chance"),
      h("span", {}, words[i]),
    ),
  );
  return card(
    "Importance",
    h("ol", { class: "bars wide", style: `--name: ${Math.min(30, longest + 1)}ch; --much: ${Math.max(...words.map((text) => text.length))}ch` }, ...rows),
    h("p", { class: "hint" }, `What ${main ?? "the loss"} rises by where a column's values are shuffled among rows held out, ± its standard error over rows and shuffles: what is not above two of these may be chance.`),
  );
}

/** A reason with the signs of print. */
const signed = (text) => text.replace(/(^| )-(?=\d)/g, "$1−");

function columns(table) {
  const rows = table.columns.map((c) => [c.name, c.kind, signed(c.reason)]);
  const left = table.left.map((c) => [c.name, "left out", signed(`${c.kind}: ${c.reason}`)]);
  const all = [...rows, ...left];
  const of = (some) => sheet(["Column", "Kind", "Why"], some.map(([name, ...more]) => [h("span", { title: name }, name), ...more]), "columns-of");
  if (all.length <= ROWS + 5) return card("Columns", of(all));
  const host = h("div", {}, of(all.slice(0, ROWS)), h("button", { type: "button", class: "plain", onclick: () => host.replaceChildren(of(all)) }, `${all.length - ROWS} more`));
  return card("Columns", host);
}

function draw() {
  const table = known.hello?.table;
  if (!table) {
    $("run-table").replaceChildren();
    return;
  }
  const { report, importance: measured } = table;
  const left = [
    ...(report ? [metrics(report)] : []),
    ...(report && Object.keys(report.targets).length ? [each(report)] : []),
    ...(table.parts?.length ? [parts(table.parts, report?.main_title)] : []),
  ];
  const right = [...(measured?.length ? [importance(measured, report?.main_title)] : []), columns(table)];
  const host = $("run-table");
  host.className = "table-only reports";
  host.replaceChildren(h("div", { class: "stack" }, ...left), h("div", { class: "stack" }, ...right));
}

export function startReport() {
  on("hello", draw);
}
