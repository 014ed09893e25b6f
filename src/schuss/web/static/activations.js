// What each layer makes of the drawing: a cell a unit, dark where it is silent.

import { between, rgb } from "./colours.js";
import { h } from "./dom.js";
import { number, shape } from "./format.js";
import { span } from "./scales.js";
import { onTheme, palette } from "./theme.js";

let shownLast = null;

/** Show layers [{name, shape, values}] in host. */
export function showLayers(host, layers) {
  shownLast = [host, layers];
  if (!layers) {
    host.replaceChildren(h("p", { class: "none" }, "Each layer's values appear here while you draw."));
    return;
  }
  if (host.children.length !== layers.length || host.querySelector(".none")) {
    host.replaceChildren(
      ...layers.map(() =>
        h("figure", {}, h("figcaption", {}, h("b", {}), h("span", {})), h("canvas", { role: "img" })),
      ),
    );
  }
  layers.forEach((layer, i) => draw(host.children[i], layer));
}

function draw(figure, { name, shape: dimensions, values }) {
  const [low, high] = span(values) ?? [0, 0];
  const [title, facts] = figure.querySelector("figcaption").children;
  title.textContent = name;
  facts.textContent = `${shape(dimensions)} · ${number(low, 3)} to ${number(high, 3)}`;
  const canvas = figure.querySelector("canvas");
  canvas.setAttribute("aria-label", `${name}: ${values.length} values from ${number(low)} to ${number(high)}`);
  const [rows, columns] = grid(values.length, dimensions);
  canvas.width = columns;
  canvas.height = rows;
  const top = Math.max(Math.abs(low), Math.abs(high)) || 1;
  const context = canvas.getContext("2d");
  values.forEach((value, i) => {
    context.fillStyle = rgb(between(0.5 + value / top / 2, palette().dark));
    context.fillRect(i % columns, Math.floor(i / columns), 1, 1);
  });
}

/** Rows and columns of the cells: an image as it is, units in at most four rows. */
function grid(count, dimensions) {
  if (dimensions.length >= 2) return [count / dimensions.at(-1), dimensions.at(-1)];
  const rows = count <= 32 ? 1 : count <= 96 ? 2 : 4;
  return [rows, Math.ceil(count / rows)];
}

onTheme(() => shownLast && showLayers(...shownLast));
