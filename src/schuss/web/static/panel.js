// The chosen operation: its formula, and the chain rule at this place with its numbers.

import { $, h } from "./dom.js";
import { shown, shapeOf } from "./numbers.js";

const heading = (words, kind, small) => h("h3", { class: kind }, words, small ? h("small", {}, small) : null);

/** Put parts into the panel; what is shown again stays scrolled as it was. */
function fill(name, parts) {
  const panel = $("panel");
  const top = panel.dataset.op === name ? panel.scrollTop : 0;
  panel.dataset.op = name;
  panel.replaceChildren(...parts);
  panel.scrollTop = top;
}

const ALL = { value: true, gradient: true, flows: true };
const later = (words) => h("p", { class: "how later" }, words);
const LATER = "Not computed yet: the steps have not come here.";

/** Show one operation of graph.json; null: a hint. known: what of it is computed, while somebody steps. */
export function showOperation(op, known = ALL) {
  const hint = "Choose a box, or a number on an arrow, to see its formula, its local gradient and what meets there.";
  fill(op?.name ?? "", op ? content(op, known) : [h("p", { class: "empty" }, hint)]);
}

/** Show an input: its value and the gradient that arrives. Of a graph of many operations only who reads it. */
export function showInput({ name, value, gradient, came_from: from = [], readers }, known = ALL) {
  const reads = readers && `Read by ${readers.join(", ")}: choose that to see the gradient it hands back.`;
  fill(name, [
    h("h2", { id: "panel-name" }, name),
    h("p", { class: "where" }, "an input"),
    ...(reads ? [h("p", { class: "how" }, reads)] : []),
    ...(value ? numbersOf(value, gradient, from, known) : []),
  ]);
}

function numbersOf(value, gradient, from, known) {
  const nothing = h("p", { class: "how" }, "No gradient comes here.");
  return [
    heading("Value", "up", shapeOf(value)),
    h("div", { "data-part": "value" }, shown(value, "cool")),
    heading("Gradient", "down", shapeOf(gradient)),
    ...(!known.gradient ? [later(LATER)] : gradientOf(gradient, from, nothing)),
  ];
}

function gradientOf(gradient, from, nothing) {
  return [
    ...(from.length > 1 ? [h("p", { class: "how" }, `It is the sum of what ${from.join(" and ")} hand back.`)] : []),
    gradient ? h("div", { "data-part": "incoming" }, shown(gradient, "accent")) : nothing,
  ];
}

function content(op, known) {
  return [
    h("h2", { id: "panel-name" }, op.name),
    h("p", { class: "where" }, [op.layer ? `in ${op.layer}` : "", op.op].filter(Boolean).join(" · ")),
    h("p", { class: "formula", id: "panel-formula" }, `${op.name} = ${op.expression}`),
    heading("Value", "up", shapeOf(op.value)),
    known.value ? h("div", { "data-part": "value" }, shown(op.value, "cool")) : later(LATER),
    ...backward(op, known),
    ...(op.line ? [heading("Your line"), h("p", { class: "source" }, op.line)] : []),
  ];
}

function backward(op, known) {
  if (!known.gradient) return [heading("Incoming gradient", "down"), later(LATER)];
  if (!op.incoming)
    return [
      heading("Gradient", "down"),
      h("p", { class: "how" }, "No gradient comes here: the loss does not depend on it."),
    ];
  const from = op.came_from?.length > 1 ? ` the sum of what ${op.came_from.join(" and ")} hand back` : "";
  return [
    heading("Incoming gradient", "down", shapeOf(op.incoming)),
    from ? h("p", { class: "how" }, `It is${from}.`) : null,
    h("div", { "data-part": "incoming" }, shown(op.incoming, "accent")),
    heading("Rule"),
    h("div", { id: "panel-rule" }, ...(op.rules.length ? op.rules : ["none"]).map((rule) => h("p", { class: "formula" }, rule))),
    ...(known.flows ? (op.flows ?? []).map(flow) : [later(LATER)]),
  ].filter(Boolean);
}

/** Show a closed layer: what it hands on and what comes back, as its last operation has it. */
export function showLayer(name, inside, last, known = ALL) {
  fill("", [
    h("h2", {}, name),
    h("p", { class: "where" }, inside),
    ...(last && known.value ? [heading("Value", "up", shapeOf(last.value)), h("div", {}, shown(last.value, "cool"))] : []),
    ...(last?.incoming && known.gradient
      ? [heading("Incoming gradient", "down", shapeOf(last.incoming)), h("div", {}, shown(last.incoming, "accent"))]
      : []),
    h("p", { class: "how" }, "Open it, with Enter or a click, to go through its operations one by one."),
  ]);
}

/** What goes back to one input: local gradient, and its product with what came in. */
function flow(f) {
  const summed = f.summed?.length
    ? `, summed over ${f.summed.length > 1 ? "axes" : "axis"} ${f.summed.join(", ")}`
    : "";
  const how = f.local ? `incoming × local${summed}` : f.rule;
  return h(
    "div",
    { class: "flow", "data-flow": f.to },
    heading(`To ${f.to}`, "down", shapeOf(f.product)),
    ...(f.local
      ? [h("p", { class: "how" }, "Local gradient"), h("div", { "data-part": "local" }, shown(f.local, "cool"))]
      : []),
    h("p", { class: "how" }, f.local ? `Product: ${how}` : how),
    h("div", { "data-part": "product" }, shown(f.product, "accent")),
  );
}
