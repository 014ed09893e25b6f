// What axes have in common: words that fit, the room they need, and the grid across.

import { trace } from "./canvas.js";

export const APART = 8; // pixels between words side by side

/** The widest of some words, in pixels of the context's font. */
export const widest = (context, words) => Math.max(0, ...words.map((text) => context.measureText(text).width));

/** A text with as many of its signs as there is room for. */
export function fitted(context, text, room) {
  const signs = [...text];
  if (context.measureText(text).width <= room) return text;
  let [low, high] = [1, signs.length - 1]; // signs that fit, and that may
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (context.measureText(cut(signs, middle)).width <= room) low = middle;
    else high = middle - 1;
  }
  return cut(signs, low);
}

const cut = (signs, most) => `${signs.slice(0, most).join("").trimEnd()}…`;

/** A line across at each tick of an upright scale, with its words to the left of it. */
export function rowsAcross(context, palette, scale, words, [left, right], gap = APART) {
  context.strokeStyle = palette.grid;
  context.fillStyle = palette.faint;
  context.lineWidth = 1;
  context.textBaseline = "middle";
  context.textAlign = "right";
  scale.ticks.forEach((tick, i) => {
    const y = Math.round(scale.at(tick)) + 0.5;
    trace(context, [[left, y], [right, y]]);
    context.stroke();
    context.fillText(words[i], left - gap, y);
  });
}

/** Words {at, text} below an axis, inside [low, high]; what would touch words before it in the list is left out. */
export function wordsBelow(context, palette, words, y, [low, high]) {
  context.fillStyle = palette.faint;
  context.textAlign = "center";
  context.textBaseline = "top";
  const taken = []; // [middle, half] of what is written
  for (const { at, text } of words) {
    const half = context.measureText(text).width / 2;
    const middle = Math.max(low + half, Math.min(high - half, at));
    if (taken.some(([other, room]) => Math.abs(other - middle) < half + room + APART)) continue;
    taken.push([middle, half]);
    context.fillText(text, middle, y);
  }
}
