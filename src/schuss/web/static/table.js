// A model of a table: what all its views know of it, and that the page shows these in place of others.

import { $ } from "./dom.js";
import { number, percent, percents, ticks, withError } from "./format.js";
import { startMembers } from "./members.js";
import { startReport } from "./tablereport.js";
import { known, on } from "./store.js";
import { startTrial } from "./trial.js";

export const table = () => known.hello?.table ?? null;

/** Whether the outputs are probabilities: of classes, or of labels, each of which is yes or no. */
export const areShares = () => table()?.kind === "classes" || table()?.kind === "labels";

/** A value of an output in words: a probability as per cent. */
export const outputWords = (value) => (areShares() ? percent(value, Math.abs(value) < 0.1 ? 2 : 1) : number(value));

/** The same of all ticks of an axis; large: see `ticks`. */
export const tickWords = (values, large) => (areShares() ? percents(values) : ticks(values, large));

/** A difference of outputs and its error: of probabilities in points of a per cent. */
export const changeWords = (value, error) => (areShares() ? withError(100 * value, 100 * error) : withError(value, error));

/** What an output is called, beside the word for its kind. */
export const OUTPUTS = { classes: "Class", labels: "Label", quantiles: "Quantile", values: "Target" };

/** The columns' names, those that matter most first, as far as the training measured them. */
export function byImportance() {
  const { columns, importance } = table();
  const names = columns.map((c) => c.name);
  const first = (importance ?? []).flatMap((one) => one.columns).filter((name) => names.includes(name));
  return [...new Set([...first, ...names])];
}

/** The output that is drawn first: of quantiles the middle one, of two classes the second. */
export function firstOutput() {
  const { kind, outputs } = table();
  return kind === "quantiles" ? outputs.length >> 1 : kind === "classes" && outputs.length === 2 ? 1 : 0;
}

/** Of which rows pictures are; many: how many, or "the". */
export function rowsWords(many) {
  const { source } = table();
  if (source) return `${many} rows of ${source}`;
  return `${many} rows drawn column by column from the quantiles and levels in the model's file (for real ones: ${known.hello.opens})`;
}

export function startTable() {
  startMembers();
  startReport();
  startTrial();
  on("hello", () => {
    document.body.classList.toggle("of-table", Boolean(table() || known.hello.members));
    $("trial-none").hidden = Boolean(table());
    $("trial-rows").hidden = $("trial-columns").hidden = !table();
  });
}
