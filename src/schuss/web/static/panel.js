// The chosen operation: its formula, and the chain rule at this place with its numbers.

import { $, h } from "./dom.js";
import { shown, shapeOf } from "./numbers.js";

const heading = (words, kind, small) => h("h3", { class: kind }, words, small ? h("small", {}, small) : null);

/** Show one operation of graph.json; null: a hint. */
export function showOperation(op) {
  const panel = $("panel");
  const top = panel.dataset.op === op?.name ? panel.scrollTop : 0;
  panel.dataset.op = op?.name ?? "";
  panel.replaceChildren(
    ...(op
      ? content(op)
      : [
          h(
            "p",
            { class: "empty" },
            "Choose an operation to see its formula, its local gradient and the numbers that meet there.",
          ),
        ]),
  );
  panel.scrollTop = top;
}

function content(op) {
  return [
    h("h2", { id: "panel-name" }, op.name),
    h("p", { class: "where" }, [op.layer ? `in ${op.layer}` : "", op.op].filter(Boolean).join(" · ")),
    h("p", { class: "formula", id: "panel-formula" }, `${op.name} = ${op.expression}`),
    heading("Value", "up", shapeOf(op.value)),
    h("div", { "data-part": "value" }, shown(op.value, "cool")),
    ...backward(op),
    ...(op.line ? [heading("Your line"), h("p", { class: "source" }, op.line)] : []),
  ];
}

function backward(op) {
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
    h("p", { class: "formula", id: "panel-rule" }, op.rule),
    ...(op.flows ?? []).map(flow),
  ].filter(Boolean);
}

/** Show a closed layer: what it hands on and what comes back, as its last operation has it. */
export function showLayer(name, inside, last) {
  const panel = $("panel");
  panel.dataset.op = "";
  panel.replaceChildren(
    h("h2", {}, name),
    h("p", { class: "where" }, inside),
    ...(last ? [heading("Value", "up", shapeOf(last.value)), h("div", {}, shown(last.value, "cool"))] : []),
    ...(last?.incoming
      ? [heading("Incoming gradient", "down", shapeOf(last.incoming)), h("div", {}, shown(last.incoming, "accent"))]
      : []),
    h("p", { class: "how" }, "Open it, with Enter or a click, to go through its operations one by one."),
  );
}

/** What goes back to one input: local gradient, and its product with what came in. */
function flow(f) {
  const summed = f.summed?.length
    ? `, summed over ${f.summed.length > 1 ? "axes" : "axis"} ${f.summed.join(", ")}`
    : "";
  const how = f.how || `incoming × local${summed}`;
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
