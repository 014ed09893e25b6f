// A value of the graph in the panel: its numbers where they are few, else how they are spread.

import { h, svg } from "./dom.js";
import { exponent, number, shape } from "./format.js";

const ACROSS = 5; // numbers of a row beside each other; a longer one is broken between its numbers

/** The elements that show a summary {shape, mean, std, min, max, hist, edges, numbers}. */
export function shown(summary, colour) {
  if (!summary) return h("p", { class: "how" }, "–");
  if (summary.numbers === null || summary.numbers === undefined) return spread(summary, colour);
  const rows = rowsOf(summary.numbers);
  return rows[0].length > ACROSS ? strips(rows, summary, colour) : matrix(rows);
}

export const shapeOf = (summary) => (summary ? shape(summary.shape) : "");

function matrix(rows) {
  const digits = format(rows.flat());
  return h(
    "div",
    { class: "matrix", tabindex: rows.length > 8 || rows[0].length > 4 ? 0 : null },
    h(
      "table",
      {},
      h("tbody", {}, ...rows.map((row) => h("tr", {}, ...row.map((value) => h("td", {}, digits(value)))))),
    ),
  );
}

/** Long rows: each number in a cell whose colour is its size, broken between the cells, and the norm of all. */
function strips(rows, { norm }, colour) {
  const digits = format(rows.flat());
  const top = Math.max(...rows.flat().map((v) => (Number.isFinite(v) ? Math.abs(v) : 0))) || 1;
  const cell = (v) =>
    h("span", { style: `--heat: ${Math.round((45 * Math.abs(Number(v) || 0)) / top)}%` }, digits(v));
  return h(
    "div",
    { class: `strips ${colour}`, tabindex: rows.length > 2 ? 0 : null },
    ...rows.map((row) => h("div", { class: "strip" }, ...row.map(cell))),
    h("p", {}, `norm ${number(norm)}`),
  );
}

/** Numbers of any rank as rows: the last axis across, all others down. */
function rowsOf(numbers) {
  if (!Array.isArray(numbers)) return [[numbers]];
  if (!Array.isArray(numbers[0])) return [numbers];
  return numbers.flatMap(rowsOf);
}

/** The same number of digits behind the point for all, five of the largest. */
function format(values) {
  const finite = values.filter((v) => typeof v === "number" && Number.isFinite(v));
  const top = Math.max(0, ...finite.map(Math.abs));
  if (finite.every(Number.isInteger) && top < 1e6) return (v) => minus(String(v));
  if (top < 1e-3 || top >= 1e5) return (v) => (typeof v !== "number" ? String(v) : v === 0 ? "0" : exponent(v, 3));
  const digits = Math.max(0, 4 - Math.floor(Math.log10(top)));
  return (v) => (typeof v === "number" ? minus(v.toFixed(Math.min(digits, 7))) : String(v));
}

const minus = (text) => text.replace("-", "−");

function spread(s, colour) {
  const rows = [
    ["norm", s.norm],
    ...(s.centred ? [] : [["mean", s.mean]]), // of what cancels it says nothing
    ["spread", s.std],
    ["from", s.min],
    ["to", s.max],
  ];
  return h(
    "div",
    { class: "summary" },
    h("dl", {}, ...rows.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, number(value))])),
    s.hist?.length ? histogram(s, colour) : null,
  );
}

function histogram({ hist, edges }, colour) {
  const top = Math.max(...hist, 1);
  const width = 112 / hist.length;
  const label = edges ? `Histogram from ${number(edges[0])} to ${number(edges.at(-1))}` : "Histogram";
  const bars = hist.map((n, i) => {
    const tall = n ? Math.max(1.5, 46 * (n / top)) : 0;
    return svg("rect", {
      x: i * width,
      y: 47 - tall,
      width: Math.max(1, width - 1),
      height: tall,
      rx: 1,
      fill: `var(--${colour})`,
    });
  });
  return svg(
    "svg",
    { viewBox: "0 0 112 48", role: "img", "aria-label": label },
    svg("rect", { x: 0, y: 47, width: 112, height: 1, fill: "var(--line-strong)" }),
    ...bars,
  );
}
