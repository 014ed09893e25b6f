// What the lines and colours of a picture mean: beside it on the page, above it where it is saved.

import { h } from "./dom.js";

const FONT = 13; // pixels
const ROW = 24;
const EDGE = 14;
const SIGN = 14; // a stroke before each name
const GAP = 7;
const APART = 16;

/** Show keys in an element. A key is {name, colour: of the palette, or as #rrggbb, dashed}. */
export function legend(host, keys) {
  const words = JSON.stringify(keys);
  if (host.dataset.words === words) return;
  host.dataset.words = words;
  host.replaceChildren(
    ...keys.map(({ name, colour, dashed }) =>
      h("span", {}, h("i", { style: `--key: ${colour.startsWith("#") ? colour : `var(--${colour})`}`, class: dashed ? "dashed" : null }), name),
    ),
  );
}

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

function draw(context, { name, colour, dashed, x, y }, palette) {
  context.strokeStyle = palette[colour] ?? colour;
  context.lineWidth = 3;
  context.lineCap = "butt";
  context.setLineDash(dashed ? [5, 4] : []);
  context.beginPath();
  context.moveTo(x, y);
  context.lineTo(x + SIGN, y);
  context.stroke();
  context.setLineDash([]);
  context.font = `${FONT}px ${palette.font}`;
  context.fillStyle = palette.text;
  context.textAlign = "left";
  context.textBaseline = "middle";
  context.fillText(name, x + SIGN + GAP, y);
}
