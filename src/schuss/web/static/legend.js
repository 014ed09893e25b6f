// What the lines and colours of a picture mean: beside it on the page, above it where it is saved.

import { h } from "./dom.js";

const FONT = 13; // pixels
const ROW = 24;
const EDGE = 14;
const SIGN = 14; // a stroke before each name
const GAP = 7;
const APART = 16;

/**
 * Show keys in an element. A key is {name, colour: of the palette, or as #rrggbb, sign, dashed}; its sign is as the
 * picture shows it: "line", "dashed", "dots", "bar" or "stroke" (an upright one). Without a sign it is a line, or dashed.
 */
export function legend(host, keys) {
  const words = JSON.stringify(keys);
  if (host.dataset.words === words) return;
  host.dataset.words = words;
  host.replaceChildren(
    ...keys.map((key) =>
      h("span", {}, h("i", { style: `--key: ${key.colour.startsWith("#") ? key.colour : `var(--${key.colour})`}`, class: `sign-${signOf(key)}` }), key.name),
    ),
  );
}

const signOf = ({ sign, dashed }) => sign ?? (dashed ? "dashed" : "line");

/** A picture with its keys above it: [paint(context, width, height, palette), its height]. */
export function withLegend(keys, paint, width, height, palette) {
  if (!keys.length) return [paint, height];
  const ruler = document.createElement("canvas").getContext("2d");
  ruler.font = `${FONT}px ${palette.font}`;
  const placed = places(keys, width, (words) => ruler.measureText(words).width);
  const top = placed.at(-1).y + ROW / 2;
  const both = (context, ...size) => {
    for (const key of placed) draw(context, key, palette);
    context.save();
    context.translate(0, top);
    paint(context, size[0], size[1] - top, palette);
    context.restore();
  };
  return [both, height + top];
}

/** Keys side by side, in as many rows as they need. */
function places(keys, width, long) {
  let [x, y] = [EDGE, ROW];
  return keys.map((key) => {
    const needed = SIGN + GAP + long(key.name);
    if (x > EDGE && x + needed > width - EDGE) [x, y] = [EDGE, y + ROW];
    const at = { ...key, x, y };
    x += needed + APART;
    return at;
  });
}

function draw(context, key, palette) {
  const { name, colour, x, y } = key;
  context.strokeStyle = context.fillStyle = palette[colour] ?? colour;
  SIGNS[signOf(key)](context, x, y);
  context.font = `${FONT}px ${palette.font}`;
  context.fillStyle = palette.text;
  context.textAlign = "left";
  context.textBaseline = "middle";
  context.fillText(name, x + SIGN + GAP, y);
}

function stroke(context, from, to, width, dash = []) {
  context.lineWidth = width;
  context.lineCap = "butt";
  context.setLineDash(dash);
  context.beginPath();
  context.moveTo(...from);
  context.lineTo(...to);
  context.stroke();
  context.setLineDash([]);
}

const SIGNS = {
  line: (context, x, y) => stroke(context, [x, y], [x + SIGN, y], 3),
  dashed: (context, x, y) => stroke(context, [x, y], [x + SIGN, y], 3, [5, 4]),
  bar: (context, x, y) => stroke(context, [x, y], [x + SIGN, y], 10),
  stroke: (context, x, y) => stroke(context, [x + SIGN / 2, y - 7], [x + SIGN / 2, y + 7], 2),
  dots: (context, x, y) => {
    for (const at of [2, 7, 12]) {
      context.beginPath();
      context.arc(x + at, y, 2, 0, 7);
      context.fill();
    }
  },
};
