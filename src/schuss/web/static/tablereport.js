// View 1 for a table: what its training measured, beside a linear and a trivial model, and what its columns are.

import { $, h } from "./dom.js";
import { count, number } from "./format.js";
import { known, on } from "./store.js";

const TITLES = {
  accuracy: "Accuracy",
  balanced_accuracy: "Balanced accuracy",
  log_loss: "Log loss",
  roc_auc: "ROC AUC",
  average_precision: "Average precision",
  calibration_error: "Calibration error",
  brier: "Brier score",
  rmse: "RMSE",
  mae: "Mean absolute error",
  r2: "R²",
};
const BARS = 20;

const title = (name) => TITLES[name] ?? name.replaceAll("_", " ").replace(/^./, (c) => c.toUpperCase());

const lower = (text) => (/^[A-Z][a-z ]/.test(text) ? text.toLowerCase() : text);

const card = (name, ...content) => h("article", { class: "card" }, h("header", {}, h("h2", {}, name)), ...content);

function sheet(head, rows, classes = "") {
  const cells = (row, tag) => h("tr", {}, ...row.map((text) => h(tag, tag === "th" ? { scope: "col" } : {}, text)));
  return h(
    "div",
    { class: "sheet", tabindex: 0 },
    h("table", { class: classes }, h("thead", {}, cells(head, "th")), h("tbody", {}, ...rows.map((row) => cells(row, "td")))),
  );
}

function metrics(report) {
  const shown = Object.entries(report.metrics ?? {}).map(([name, line]) => [
    title(name),
    h("span", {}, h("b", {}, number(line.value)), h("small", {}, ` ± ${number(line.error, 2)}`)),
    number(line.linear),
    number(line.trivial),
  ]);
  return card(
    `On ${report.on}`,
    sheet(["", "Model", "Linear", "Trivial"], shown, "numbers-right"),
    h("p", { class: "hint" }, "± is the standard error by rows. Linear: a linear model of the same rows; trivial: one answer for all."),
    h("p", { class: "verdict" }, `${report.verdict ?? ""}.`.replace(/^./, (c) => c.toUpperCase()).replaceAll("+-", "±").replaceAll(" -", " −")),
  );
}

function parts(list) {
  const rows = list.map((part) => [
    [part.kind, part.activation, part.scale].filter(Boolean).join(" "),
    part.hidden?.length ? part.hidden.join(", ") : "–",
    part.epochs ? count(part.epochs) : "–",
    number(part.loss),
    weight(part.weight),
  ]);
  return card(
    "Parts of the answer",
    sheet(["Part", "Hidden", "Epochs", "Loss", "Weight"], rows, "numbers-right parts"),
    h("p", { class: "hint" }, "Each kind of network has a member for each fold. The weights were found on rows held out."),
  );
}

const weight = (share) =>
  h("span", { class: "weight" }, h("i", { style: `--p: ${share}` }), share.toFixed(2));

function importance(list, main) {
  const most = Math.max(...list.map((one) => one.rise), 1e-12);
  const longest = Math.max(...list.map((one) => one.columns.join(" + ").length));
  const rows = list.slice(0, BARS).map((one) =>
    h(
      "li",
      { title: one.columns.join(" + ") },
      h("b", {}, one.columns.join(" + ")),
      h("i", { style: `--p: ${Math.max(0, one.rise) / most}` }),
      h("span", {}, `${number(one.rise, 3)} ± ${number(one.spread, 1)}`),
    ),
  );
  return card(
    "Importance",
    h("ol", { class: "bars wide", style: `--name: ${Math.min(30, longest + 1)}ch` }, ...rows),
    h("p", { class: "hint" }, `What ${lower(title(main ?? "the loss"))} rises by where a column's values are shuffled among rows held out.`),
  );
}

function columns(table) {
  const rows = table.columns.map((c) => [c.name, c.kind, c.reason]);
  const left = table.left.map((c) => [c.name, "left out", `${c.kind}: ${c.reason}`]);
  return card("Columns", sheet(["Column", "Kind", "Why"], [...rows, ...left], "columns-of"));
}

function draw() {
  const table = known.hello?.table;
  if (!table) {
    $("run-table").replaceChildren();
    return;
  }
  const { report, importance: measured } = table;
  const left = [
    ...(report?.metrics ? [metrics(report)] : []),
    ...(table.parts?.length ? [parts(table.parts)] : []),
  ];
  const right = [...(measured?.length ? [importance(measured, report?.main)] : []), columns(table)];
  const host = $("run-table");
  host.className = "table-only reports";
  host.replaceChildren(h("div", { class: "stack" }, ...left), h("div", { class: "stack" }, ...right));
}

export function startReport() {
  on("hello", draw);
}
